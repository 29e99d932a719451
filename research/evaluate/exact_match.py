"""Greedy completion of prompts, and how often the answer is exactly right.

A document of such a Task says in its meta which beginning of its text is the `prompt`, and what the
`answer` is.  The model completes the prompt greedily, to its EOS, and is right if the last line of
what it wrote is the answer, letter for letter.  What it wrote before that line (the steps of a
scratchpad) does not count, but is what it goes on from.  A completion that has not ended where the
row ends is wrong.

All tokens are decoded at a time, by fixed-point iteration (Jacobi decoding; Santilli et al.,
"Accelerating transformer inference for translation via parallel decoding", 2023): from a guess of
the whole completion, every token is replaced by the most likely one after the guess before it,
until nothing changes.  Each round makes at least one more token final, whatever the guess was, so
the result is what decoding one token after another gives; with the reference as the first guess, a
model that knows the answer needs one round and not as many as there are tokens.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from etils import epath
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from research.corpora.document import Corpus
from research.errors import GristmillError
from research.input_pipeline.loader import rows_of_sharding
from research.model import transformer
from research.model.config import ModelConfig
from research.model.sharding import batch_sharding, param_shardings
from research.registry.specs import MixtureSpec, VocabularySpec
from research.registry.splits import VALIDATION, split_of
from research.registry.tokenizers import Tokenizer
from research.train.processes import to_devices

KEYS = ("tokens", "given")


@dataclasses.dataclass(frozen=True)
class Item:
    """One prompt.

    Attributes:
      id: of its document.
      prompt: what is to be completed.
      answer: the last line of a right completion.
      tokens: of the whole document, int32, EOS included.
      given: how many of them are the prompt's.
    """

    id: str
    prompt: str
    answer: str
    tokens: np.ndarray
    given: int


@dataclasses.dataclass(frozen=True)
class Completion:
    """What a model made of a prompt.

    Attributes:
      text: after the prompt, without EOS.
      ended: whether it came to an EOS.
      right: whether the last line is the answer.
    """

    text: str
    ended: bool
    right: bool


def read_items(
    root: Path, mixture: MixtureSpec, tokenizer: Tokenizer, limit: int | None
) -> list[Item]:
    """The held-out documents of a mixture's Tasks, as prompts.

    Args:
      root: the data root.
      mixture: whose corpora to read.
      tokenizer: of its vocabulary.
      limit: documents of each Task, from the first; None for all.

    Raises:
      GristmillError: a Task changes the text or adds no EOS, a document has no prompt and answer,
        or the prompt's tokens are not those that its document begins with.
    """
    items = []
    for task in mixture.tasks.values():
        if task.preprocessors or not task.add_eos:
            raise GristmillError(
                f"evals.exact_match: Task {task.name} has preprocessors or no EOS; "
                "prompts are taken as they stand in the corpus, and completions end with EOS"
            )
        documents = (
            document
            for document in Corpus.open(root, task.corpus).documents()
            if split_of(document.root_ids, task.validation_share) == VALIDATION
        )
        for number, document in enumerate(documents):
            if number == limit:
                break
            where = f"evals.exact_match: document {document.id} of {task.corpus}"
            prompt, answer = document.meta.get("prompt"), document.meta.get("answer")
            if not (isinstance(prompt, str) and isinstance(answer, str)):
                raise GristmillError(f"{where} has no 'prompt' and 'answer' in its meta")
            tokens, first = tokenizer.encode(document.text), tokenizer.encode(prompt)
            begins = document.text.startswith(prompt)
            if not begins or not np.array_equal(tokens[: len(first)], first):
                raise GristmillError(
                    f"{where}: its text does not begin with the tokens of its prompt; "
                    "end prompts where a token ends, or use the vocabulary byte"
                )
            tokens = np.append(tokens, tokenizer.spec.eos_id).astype(np.int32)
            items.append(Item(document.id, prompt, answer, tokens, len(first)))
    return items


class ExactMatch:
    """Evaluates parameters on prompts with answers.

    Attributes:
      completions: of the last evaluation, in the order of the items.
    """

    def __init__(
        self,
        name: str,
        config: ModelConfig,
        items: Sequence[Item],
        tokenizer: Tokenizer,
        *,
        length: int,
        batch: int,
        mesh: Mesh,
        attention: str,
        folder: epath.Path | None = None,
    ) -> None:
        """Args:
        name: with which the name of the value begins.
        config: of the model.
        items: the prompts.
        tokenizer: of the model.
        length: L, the most tokens of a prompt and its completion.
        batch: rows at a time, rounded up to fill the mesh.
        mesh: where the parameters lie.
        attention: kind of attention kernel.
        folder: where to write a table of the completions; None: nowhere.

        Raises:
          GristmillError: there are no items, or one is longer than L, or L than the model allows.
        """
        if not items:
            raise GristmillError(f"evals.exact_match: {name} has no held-out document to complete")
        if length > config.max_length:
            raise GristmillError(
                f"evals.length is {length}, more than model.max_length ({config.max_length})"
            )
        longest = max(items, key=lambda item: len(item.tokens))
        if len(longest.tokens) > length:
            raise GristmillError(
                f"evals.length is {length}, and {name} has documents of {len(longest.tokens)} "
                f"tokens ({longest.id}); set evals.length to at least that"
            )
        shards = mesh.size // mesh.shape["tensor"]
        self.name, self.items, self.tokenizer, self.length = name, items, tokenizer, length
        self.batch = -(-batch // shards) * shards
        self.mesh, self.folder = mesh, folder
        self.sharding = batch_sharding(mesh)
        self.completions: list[Completion] = []
        self._complete = _completer(config, mesh, attention, length, tokenizer.spec)

    def evaluate(self, params: Any, step: int) -> Iterator[tuple[str, float]]:
        """Yields `<name>/exact_match`, the share of the items whose answer is right."""
        self.completions = []
        for start in range(0, len(self.items), self.batch):
            items = self.items[start : start + self.batch]
            tokens_BxL = np.asarray(jax.device_get(self._complete(params, self._rows(items))))
            for item, tokens_L in zip(items, tokens_BxL, strict=False):
                self.completions.append(self._read(item, tokens_L))
        if self.folder is not None and jax.process_index() == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(self.folder / f"{self.name}-{step}-completions.parquet")
        right = sum(completion.right for completion in self.completions)
        yield f"{self.name}/exact_match", right / len(self.items)

    def _rows(self, items: Sequence[Item]) -> dict[str, jax.Array]:
        """Global arrays [B, L]: the references, and which of their tokens are given; a row without
        an item is given whole."""
        shape = (self.batch, self.length)
        tokens_BxL = np.full(shape, self.tokenizer.spec.pad_id, np.int32)
        given_BxL = np.ones(shape, bool)
        for row, item in enumerate(items):
            tokens_BxL[row, : len(item.tokens)] = item.tokens
            given_BxL[row, item.given :] = False
        mine = rows_of_sharding(self.sharding, *shape)
        local = {"tokens": tokens_BxL[mine], "given": given_BxL[mine]}
        return to_devices(local, self.sharding, shape)

    def _read(self, item: Item, tokens_L: np.ndarray) -> Completion:
        ends = np.flatnonzero(tokens_L[item.given :] == self.tokenizer.spec.eos_id)
        ended = len(ends) > 0
        stop = item.given + int(ends[0]) if ended else len(tokens_L)
        text = self.tokenizer.decode(tokens_L[:stop].tolist()).removeprefix(item.prompt)
        return Completion(text, ended, ended and text.rpartition("\n")[2] == item.answer)

    def _write(self, path: epath.Path) -> None:
        """A Parquet table with a row for every item."""
        table = pa.table(
            {
                "id": [item.id for item in self.items],
                "prompt": [item.prompt for item in self.items],
                "answer": [item.answer for item in self.items],
                "completion": [completion.text for completion in self.completions],
                "ended": [completion.ended for completion in self.completions],
                "right": [completion.right for completion in self.completions],
            }
        )
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="zstd")
        temporary = path.with_name(".tmp-" + path.name)
        temporary.write_bytes(buffer.getvalue().to_pybytes())
        temporary.replace(path)


@functools.lru_cache(8)
def _completer(
    config: ModelConfig, mesh: Mesh, attention: str, length: int, vocabulary: VocabularySpec
) -> jax.stages.Wrapped:
    """Jitted (params, batch) -> completed tokens [B, L], padded after EOS; evaluators of equal
    models share what is compiled."""

    def next_guess(params: Any, tokens_BxL: jax.Array, given_BxL: jax.Array) -> jax.Array:
        """Every token that is not given, as the most likely one after those before it."""
        bos_Bx1 = jnp.full_like(tokens_BxL[:, :1], vocabulary.bos_id)
        hidden_BxLxD = transformer.hidden_states(
            params,
            config,
            jnp.concatenate([bos_Bx1, tokens_BxL[:, :-1]], axis=1),
            jnp.ones_like(tokens_BxL),
            jnp.broadcast_to(jnp.arange(length), tokens_BxL.shape),
            mesh=mesh,
            attention=attention,
            remat="none",
        )
        # a model may have more rows of its embedding than there are ids
        logits_BxLxV = transformer.logits(hidden_BxLxD, params, config)[..., : vocabulary.size]
        best_BxL = jnp.argmax(logits_BxLxV, axis=-1).astype(jnp.int32)
        best_BxL = jnp.where(given_BxL, tokens_BxL, best_BxL)
        is_end_BxL = (best_BxL == vocabulary.eos_id) & ~given_BxL
        ends_before_BxL = jnp.cumsum(is_end_BxL, axis=1) - is_end_BxL
        return jnp.where(ends_before_BxL > 0, vocabulary.pad_id, best_BxL)

    def complete(params: Any, batch: Mapping[str, jax.Array]) -> jax.Array:
        def once_more(carry):
            guess_BxL, rounds, _ = carry
            new_BxL = next_guess(params, guess_BxL, batch["given"])
            return new_BxL, rounds + 1, (new_BxL != guess_BxL).any()

        tokens_BxL, _, _ = jax.lax.while_loop(
            lambda carry: carry[2] & (carry[1] < length),
            once_more,
            (batch["tokens"], jnp.int32(0), jnp.bool(True)),
        )
        return tokens_BxL

    return jax.jit(
        complete,
        in_shardings=(
            param_shardings(config, mesh),
            dict.fromkeys(KEYS, batch_sharding(mesh)),
        ),
        out_shardings=NamedSharding(mesh, PartitionSpec()),  # every process counts all rows
    )
