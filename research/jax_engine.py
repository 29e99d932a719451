"""The engine that runs imported weights on the devices of this process, as `rephrase.Engine`."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jinja2.sandbox
from tokenizers import Tokenizer

from research import artefacts
from research.errors import GristmillError
from research.model.generate import Generator as TokenGenerator
from research.model.generate import Prompt
from research.model.sharding import MeshSpec, make_mesh
from research.model.weights import TOKENIZER, load_weights, weights_folder
from research.rephrase.engine import Failure, Message, Request, Response


class JaxEngine:
    """Imported weights with their tokenizer and chat template."""

    def __init__(
        self,
        root: Path,
        name: str,
        *,
        slots: int = 32,
        context: int = 2048,
        mesh: MeshSpec | None = None,
    ) -> None:
        """Loads the weights.

        Args:
          root: the data root.
          name: as they were imported.
          slots: answers in the making at a time.
          context: tokens of a prompt with its answer, at most.
          mesh: over this process's devices; None for one device.

        Raises:
          GristmillError: no such weights, or they come without a chat template, an end of turn or
            a tokenizer.
        """
        config, params = load_weights(root, name)
        folder = weights_folder(root) / name
        manifest = artefacts.read_manifest(folder, "weights", "gristmill weights import")
        self.name, self.revision = name, f"jax/{manifest['fingerprint'][:32]}"
        if jax.default_backend() == "cpu":  # which has no bfloat16 units
            config = dataclasses.replace(config, compute_dtype="float32")
        self.context = min(context, config.max_length)
        self.tokenizer = ChatTokenizer(folder)
        self._tokens = TokenGenerator(
            params,
            config,
            stop_ids=self.tokenizer.stop_ids,
            slots=slots,
            context=self.context,
            mesh=None if mesh is None else make_mesh(mesh),
        )

    def generate(
        self, requests: Iterator[Request]
    ) -> Generator[tuple[Request, Response | Failure], None, None]:
        """See `Engine.generate`."""
        asked: list[tuple[Request, int, float] | None] = []
        failed: list[tuple[Request, Failure]] = []

        def prompts() -> Iterator[Prompt]:
            for request in requests:
                tokens = self.tokenizer.encode(request.messages)
                if len(tokens) >= self.context:
                    said = f"the prompt has {len(tokens)} tokens, the context {self.context}"
                    failed.append((request, Failure(said, permanent=True)))
                    continue
                asked.append((request, len(tokens), time.monotonic()))
                s = request.sampling
                yield Prompt(
                    tokens, s.max_tokens, s.temperature, s.top_p, s.top_k, s.seed,
                    self._ended(s.stop) if s.stop else None,
                )  # fmt: skip

        answers = self._tokens.generate(prompts())
        with contextlib.closing(answers):
            for number, completion in answers:
                yield from failed
                failed.clear()
                request, prompt_tokens, began = asked[number]
                asked[number] = None
                yield (
                    request,
                    Response(
                        self._cut(self.tokenizer.decode(completion.tokens), request.sampling.stop),
                        completion.finish,
                        prompt_tokens,
                        len(completion.tokens),
                        time.monotonic() - began,
                    ),
                )
        yield from failed

    def _ended(self, stop: Sequence[str]) -> Callable[[list[int]], int | None]:
        """Says how many tokens to keep once their text has a stop string."""

        def ended(tokens: list[int]) -> int | None:
            text = self.tokenizer.decode(tokens)
            return len(tokens) if any(word in text for word in stop) else None

        return ended

    @staticmethod
    def _cut(text: str, stop: Sequence[str]) -> str:
        places = [place for word in stop if (place := text.find(word)) >= 0]
        return text[: min(places)] if places else text


class ChatTokenizer:
    """The tokenizer and the chat template that came with imported weights.

    Attributes:
      stop_ids: tokens that end an answer.
    """

    def __init__(self, folder: Path) -> None:
        """Reads them.

        Args:
          folder: of the weights.

        Raises:
          GristmillError: they come without a chat template, an end of turn or a tokenizer.
        """
        self._folder = folder
        self._tokenizer = _tokenizer(folder / TOKENIZER)
        self._template, self._special = _template(folder / TOKENIZER)
        self.stop_ids = self._stop_ids()

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Ids of a conversation, up to where the assistant's answer begins.

        Raises:
          GristmillError: the chat template cannot hold it.
        """
        turns = [dataclasses.asdict(message) for message in messages]
        return self.encode_text(self._render(turns, add_generation_prompt=True))

    def encode_text(self, text: str) -> list[int]:
        """Ids of a text that is no conversation."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of an answer."""
        return self._tokenizer.decode(list(tokens), skip_special_tokens=True)

    def _render(self, turns: list[dict[str, str]], **options: bool) -> str:
        try:
            return self._template.render(messages=turns, **options, **self._special)
        except Exception as error:  # a template is a program, and fails in its own ways
            name = self._folder.name
            raise GristmillError(f"weights {name}: their chat template: {error}") from None

    def _stop_ids(self) -> list[int]:
        """The end of the text, and what the template writes after an answer."""
        turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "Zyx"}]
        after = self.encode_text(self._render(turns).rpartition("Zyx")[2])
        words = [self._special.get("eos_token")]
        ids = {self._tokenizer.token_to_id(word) for word in words if word}
        added = self._tokenizer.get_added_tokens_decoder()
        ids |= {id for id in after[:1] if id in added}
        ids.discard(None)
        if not ids:
            raise GristmillError(f"weights {self._folder.name}: nothing tells that an answer ends")
        return sorted(ids)


def _tokenizer(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise GristmillError(
            f"{path} is no tokenizer ({error}); import weights that have a tokenizer.json"
        ) from None


def _template(folder: Path) -> tuple[jinja2.Template, dict[str, str]]:
    """The chat template, and the special tokens that it may name."""
    path = folder / "tokenizer_config.json"
    settings: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        settings = json.loads(path.read_text("utf-8"))
    source = settings.get("chat_template")
    if isinstance(source, list):  # several, by name
        source = next((t["template"] for t in source if t.get("name") == "default"), None)
    with contextlib.suppress(OSError):
        source = (folder / "chat_template.jinja").read_text("utf-8")
    if not source:
        raise GristmillError(f"{folder} has no chat template: these weights follow no instructions")

    def refuse(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = refuse
    special = {}
    for role in ("bos_token", "eos_token", "pad_token", "unk_token"):
        token = settings.get(role)
        token = token.get("content") if isinstance(token, dict) else token
        special |= {role: token} if isinstance(token, str) else {}
    try:
        return environment.from_string(source), special
    except jinja2.TemplateError as error:
        raise GristmillError(f"{folder}: the chat template is damaged ({error})") from None
