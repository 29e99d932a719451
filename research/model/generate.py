"""Text from the model: decoding with a cache of keys and values, many prompts at a time.

A fixed number of slots, each with room in the cache for one prompt and its answer, are worked on
together, a token a step; a slot whose answer ends is given to the next prompt at once.  Prompts are
read in pieces of equal length, and when there are no more, the last answers are brought together in
the first half or quarter of the slots, so that for any lengths of prompts and answers at most six
programs are compiled:

    prefill  a piece of a prompt into the reader's cache, which has room for one prompt
    place    that cache into a slot
    decode   some tokens for all, half or a quarter of the slots, the last one of the prompt first
    move     a slot into another

What a prompt shares with the beginning of the one before it (a style's instruction) is not read
again: the reader's cache still has it.  The layers are those that are trained: only attention is
another, over the cache.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from research.errors import GristmillError
from research.model.config import ModelConfig
from research.model.embedding import look_up
from research.model.projection import lay_for_few, on_one_cpu, project, project_few
from research.model.rope import rope_tables
from research.model.sampling import choose
from research.model.sharding import BATCH_AXES, constrain, partition_spec
from research.model.transformer import (
    Block,
    Ends,
    Params,
    Place,
    assemble,
    capped,
    logical_axes,
    logits,
    structure,
)

PIECE = 64  # tokens of a prompt that are read at a time
SPAN = 128  # places of the cache that attention looks at at a time
TOKENS_PER_CALL = 8  # decoded at most before the host looks at them
MASKED = -1e30
# values lie as they are summed up, keys across, as products with queries want them
KEYS_AXES = ("batch", "kv_heads", "head_dim", "length")
VALUES_AXES = ("batch", "kv_heads", "length", "head_dim")
Cache = list[tuple[jax.Array, jax.Array]]  # keys [R, J, K, S] and values [R, J, S, K] of each layer
State = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Prompt:
    """What to go on from.

    Attributes:
      tokens: ids, at least one.
      max_tokens: of the answer.
      temperature, top_p, top_k, seed: see `sampling.choose`.
      ended: is shown the tokens of the answer now and then; how many of them to keep if it has
        ended (a stop string was met), else None.
    """

    tokens: Sequence[int]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    ended: Callable[[list[int]], int | None] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Completion:
    """What the model said.

    Attributes:
      tokens: ids, without the one that ended it.
      logprobs: natural logarithm of each one's probability.
      finish: 'stop' or 'length' (max_tokens, or the end of the context).
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: str


@dataclasses.dataclass
class _Answer:
    """An answer in the making."""

    prompt: Prompt
    number: int
    tokens: list[int] = dataclasses.field(default_factory=list)
    logprobs: list[float] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class _Reader:
    """Where prompts are read, one after another.

    Attributes:
      cache: of one row.
      tokens: the last prompt, whose cache this is.
    """

    cache: Cache
    tokens: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.int32))


class Generator:
    """A model that generates, on one device or split by tensor over a mesh.

    Attributes:
      config: of the model.
      slots: B, answers in the making at a time.
      context: longest prompt with its answer.
    """

    def __init__(
        self,
        params: Params,
        config: ModelConfig,
        *,
        stop_ids: Sequence[int],
        slots: int = 32,
        context: int = 2048,
        mesh: Mesh | None = None,
    ) -> None:
        """Lays out parameters and an empty cache.

        Args:
          params: of `transformer.init_params` or `weights.load_weights`; abstract ones do to
            compile ahead of time.
          config: of those.
          stop_ids: tokens that end an answer.
          slots, context: see above; together they decide the size of the cache.
          mesh: None for the default device.

        Raises:
          GristmillError: the mesh splits rows, or a size makes no sense.
        """
        if mesh is not None and any(mesh.shape[axis] > 1 for axis in BATCH_AXES):
            raise GristmillError(
                "generation splits a model by tensor only; run a copy on every group of devices"
            )
        for name, size in (("slots", slots), ("context", context)):
            if size < 1:
                raise GristmillError(f"{name} must be at least 1, not {size}")
        self.config, self.slots, self.context, self.mesh = config, slots, context, mesh
        # a piece that begins within the context ends within the cache; the end is for slots at rest
        self._places = -(-(context + PIECE) // SPAN) * SPAN
        # a mesh of one CPU computes as larger meshes do
        self._few = mesh is None and on_one_cpu(mesh)
        self._stop_ids = np.asarray(list(stop_ids) or [-1], np.int32)
        self._params = self._lay_out(params)
        self._widths = sorted({-(-slots // 4), -(-slots // 2), slots})
        self._functions = {
            name: jax.jit(getattr(self, f"_{name}"), donate_argnums=donated)
            for name, donated in {"prefill": 1, "place": 0, "decode": 1, "move": 0}.items()
        }

    def generate(
        self, prompts: Iterator[Prompt]
    ) -> typing.Generator[tuple[int, Completion], None, None]:
        """Answers prompts, in the order in which answers end.

        Args:
          prompts: drawn as slots get free.

        Yields:
          The number of the prompt, counted from 0, and its answer.

        Raises:
          GristmillError: a prompt leaves no room for an answer.
        """
        state, reader = self._empty(self._shapes()), _Reader(self._empty(self._cache_shapes(1)))
        free = set(range(self.slots))
        under_way: dict[int, _Answer] = {}
        stopped_B = np.zeros(self.slots, bool)  # by us, and not by the model
        numbered = enumerate(prompts)
        while True:
            for number, prompt in itertools.islice(numbered, len(free)):
                slot = min(free)
                free.remove(slot)
                state = self._read(state, slot, reader, prompt)
                under_way[slot], stopped_B[slot] = _Answer(prompt, number), False
            if not under_way:
                return
            width = next(w for w in self._widths if w >= len(under_way))
            for source in [slot for slot in under_way if slot >= width]:
                target = min(free)
                state = self._functions["move"](state, source, target)
                under_way[target], stopped_B[target] = under_way.pop(source), False
                free ^= {source, target}
            state, answered = self._functions["decode"](self._params, state, stopped_B[:width])
            tokens_CxB, logprobs_CxB, new_CxB, active_B = jax.device_get(
                (*answered, state["active"])
            )
            stopped_B = np.zeros(self.slots, bool)
            for slot, answer in list(under_way.items()):
                new_C = new_CxB[:, slot]
                answer.tokens += tokens_CxB[new_C, slot].tolist()
                answer.logprobs += logprobs_CxB[new_C, slot].tolist()
                if done := self._ended(answer, bool(active_B[slot])):
                    stopped_B[slot] = active_B[slot]
                    del under_way[slot]
                    free.add(slot)
                    yield answer.number, done

    def _ended(self, answer: _Answer, alive: bool) -> Completion | None:
        """The answer, if the model has ended it, or what watches it."""
        kept = answer.prompt.ended(answer.tokens) if answer.prompt.ended else None
        if kept is not None:
            return Completion(tuple(answer.tokens[:kept]), tuple(answer.logprobs[:kept]), "stop")
        if alive:
            return None
        cut = len(answer.tokens) >= self._room(answer.prompt)
        finish = "length" if cut else "stop"
        return Completion(tuple(answer.tokens), tuple(answer.logprobs), finish)

    def _room(self, prompt: Prompt) -> int:
        return min(prompt.max_tokens, self.context - len(prompt.tokens))

    # ---- prompts --------------------------------------------------------------------------------

    def _read(self, state: State, slot: int, reader: _Reader, prompt: Prompt) -> State:
        """Reads all of a prompt but its last token into a slot; decoding goes on from there."""
        tokens = np.asarray(prompt.tokens, np.int32)
        if not 0 < len(tokens) < self.context:
            raise GristmillError(
                f"a prompt of {len(tokens)} tokens, where a context of {self.context} shall hold "
                "it and its answer"
            )
        for start in range(_common(reader.tokens, tokens[:-1]), len(tokens) - 1, PIECE):
            piece = tokens[start : start + PIECE]
            padded_1xP = np.pad(piece, (0, PIECE - len(piece)))[None]
            reader.cache = self._functions["prefill"](self._params, reader.cache, padded_1xP, start)
        reader.tokens = tokens
        facts = {
            "token": tokens[-1],
            "length": np.int32(len(tokens) - 1),
            "left": np.int32(self._room(prompt)),
            "active": np.True_,
            "temperature": np.float32(prompt.temperature),
            "top_p": np.float32(prompt.top_p),
            "top_k": np.int32(prompt.top_k),
            "seed": np.uint32(prompt.seed),
        }
        return self._functions["place"](state, reader.cache, facts, slot)

    # ---- programs -------------------------------------------------------------------------------

    def _prefill(
        self, params: Params, cache: Cache, tokens_1xP: jax.Array, start: jax.Array
    ) -> Cache:
        """A piece of a prompt into a cache of one row, from place `start` on."""

        def write(cache: jax.Array, new: jax.Array, axis: int) -> jax.Array:
            return jax.lax.dynamic_update_slice_in_dim(cache, new, start, axis)

        places_1xP = (start + jnp.arange(PIECE))[None]
        cache, _ = self._layers(params, cache, tokens_1xP, places_1xP, write, start + PIECE)
        return cache

    def _place(
        self, state: State, cache: Cache, facts: dict[str, jax.Array], slot: jax.Array
    ) -> State:
        """A prompt that has been read, and what is to be done with it, into a slot."""

        def put(rows: jax.Array, row: jax.Array) -> jax.Array:
            return jax.lax.dynamic_update_slice_in_dim(rows, row, slot, axis=0)

        of_slots = {name: state[name].at[slot].set(fact) for name, fact in facts.items()}
        return {"cache": jax.tree.map(put, state["cache"], cache), **of_slots}

    def _move(self, state: State, source: jax.Array, target: jax.Array) -> State:
        """A slot into another, which leaves the one at rest."""

        def move(rows: jax.Array) -> jax.Array:
            row = jax.lax.dynamic_slice_in_dim(rows, source, 1)
            return jax.lax.dynamic_update_slice_in_dim(rows, row, target, axis=0)

        state = jax.tree.map(move, state)
        return {**state, "active": state["active"].at[source].set(False)}

    def _decode(
        self, params: Params, state: State, stopped_R: jax.Array
    ) -> tuple[State, tuple[jax.Array, ...]]:
        """TOKENS_PER_CALL tokens for the first R slots, or fewer if an answer ends before.

        Args:
          params, state: as they are.
          stopped_R: slots whose answers are to go on no further.

        Returns:
          The state, and tokens, their log-probabilities and whether they belong to the answers,
          each [TOKENS_PER_CALL, R].
        """
        width = len(stopped_R)
        rows_R = jnp.arange(width)
        whole = state
        state = {n: a if n == "cache" else a[:width] for n, a in whole.items()}
        state["active"] = begun_R = state["active"] & ~stopped_R

        def step(carry: tuple[Any, ...]) -> tuple[Any, ...]:
            number, state, answered = carry
            active_R = state["active"]
            length_R = jnp.where(active_R, state["length"], self._places - 1)

            def write(cache: jax.Array, new: jax.Array, axis: int) -> jax.Array:
                if axis == 3:
                    return cache.at[rows_R, :, :, length_R].set(new[:, :, :, 0])
                return cache.at[rows_R, :, length_R].set(new[:, :, 0])

            cache, hidden_Rx1xD = self._layers(
                params, state["cache"], state["token"][:, None], length_R[:, None], write,
                jnp.where(active_R, length_R, 0).max() + 1,
            )  # fmt: skip
            length_R = state["length"] + active_R
            token_R, logprob_R, new_R, going_R = self._next(params, hidden_Rx1xD, state, length_R)
            new_R &= active_R
            state = {
                **state,
                "cache": cache,
                "length": length_R,
                "token": token_R,
                "left": state["left"] - new_R,
                "active": active_R & going_R,
            }
            found = token_R, logprob_R, new_R
            answered = [all_.at[number].set(now) for all_, now in zip(answered, found, strict=True)]
            return number + 1, state, answered

        def goes_on(carry: tuple[Any, ...]) -> jax.Array:
            number, state, _ = carry
            return (number < TOKENS_PER_CALL) & (state["active"] == begun_R).all()

        shape = TOKENS_PER_CALL, width
        answered = [jnp.zeros(shape, kind) for kind in (jnp.int32, jnp.float32, jnp.bool_)]
        _, state, answered = jax.lax.while_loop(goes_on, step, (0, state, answered))
        state = {n: a if n == "cache" else whole[n].at[:width].set(a) for n, a in state.items()}
        return state, tuple(answered)

    def _next(
        self,
        params: Params,
        hidden_Rx1xD: jax.Array,
        settings: dict[str, jax.Array],
        place_R: jax.Array,
    ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """Chooses the next tokens [R] of some answers.

        Returns:
          The tokens, their log-probabilities, whether they belong to the answers (they end none),
          and whether the answers go on after them.
        """
        logits_RxV = self._logits(params, hidden_Rx1xD)
        token_R, logprob_R = choose(
            logits_RxV, settings["temperature"], settings["top_p"], settings["top_k"],
            settings["seed"], place_R,
        )  # fmt: skip
        new_R = ~jnp.isin(token_R, self._stop_ids)
        return token_R, logprob_R, new_R, new_R & (settings["left"] > 1)

    def _logits(self, params: Params, hidden_Rx1xD: jax.Array) -> jax.Array:
        """float32 [R, V]."""
        if not self._few:
            return logits(hidden_Rx1xD, params, self.config)[:, 0]
        head_VxD = params["embedding" if self.config.tied_embeddings else "head"]
        of_rows = project_few(hidden_Rx1xD[:, 0], head_VxD, (), None, dtype=jnp.float32)
        return capped(of_rows, self.config)

    def _layers(
        self,
        params: Params,
        cache: Cache,
        tokens_RxT: jax.Array,
        places_RxT: jax.Array,
        write: Callable[[jax.Array, jax.Array, int], jax.Array],
        filled: jax.Array,
    ) -> tuple[Cache, jax.Array]:
        """What the model makes of some tokens that see the cache, which they are written to first.

        Args:
          params: laid out.
          cache: of R rows or more.
          tokens_RxT, places_RxT: what to read, and where in the rows of the cache.
          write: puts new keys [R, J, K, T] or values [R, J, T, K] into a cache, along the axis of
            its places.
          filled: places of the cache that any token sees.

        Returns:
          The cache, and hidden states [R, T, D] after the last norm.
        """
        c = self.config
        graph, _ = structure(Block, c)
        ends = assemble(
            structure(Ends, c)[0], {name: params[name] for name in params if name != "layers"}
        )
        dtype = jnp.dtype(c.compute_dtype)
        x_RxTxD = look_up(ends.embedding[...], tokens_RxT, dtype, self.mesh)
        if c.embedding_scale != 1.0:
            x_RxTxD *= jnp.asarray(c.embedding_scale, dtype)
        tables = {w: rope_tables(places_RxT, c, local=w is not None) for w in set(c.windows)}
        written = []
        for block, (keys, values), window in zip(params["layers"], cache, c.windows, strict=True):

            def attend(q, k, v, keys=keys, values=values, window=window):
                keys = write(keys, k.transpose(0, 2, 3, 1).astype(keys.dtype), 3)
                values = write(values, v.transpose(0, 2, 1, 3).astype(values.dtype), 2)
                keys = constrain(keys, KEYS_AXES, self.mesh)
                values = constrain(values, VALUES_AXES, self.mesh)
                written.append((keys, values))
                return _attend(q, keys, values, places_RxT, filled, c, window)

            place = Place(tables[window], attend, self.mesh, project_few if self._few else project)
            x_RxTxD = assemble(graph, block)(x_RxTxD, place)
        return written, ends.final_norm(x_RxTxD)

    # ---- arrays ---------------------------------------------------------------------------------

    def _lay_out(self, params: Params) -> Params:
        """Each layer's parameters by themselves, matrices in the dtype that they are used in.

        A program that picks a layer out of stacked arrays would copy the whole model at each token.
        On one CPU, matrices lie as `project_few` wants them.
        """
        c, mesh = self.config, self.mesh
        dtype = jnp.dtype(c.compute_dtype)
        axes = logical_axes(c)

        def lay(array: Any, names: tuple[str, ...]) -> Any:
            kind = dtype if len(names) > 1 else array.dtype
            sharding = None if mesh is None else NamedSharding(mesh, partition_spec(names))
            if isinstance(array, jax.ShapeDtypeStruct):
                return jax.ShapeDtypeStruct(array.shape, kind, sharding=sharding)
            if self._few and "embed" in names and names[0] != "vocabulary":
                array = lay_for_few(array, names)
            return jax.device_put(array.astype(kind), sharding)

        def one(array: Any, layer: int) -> Any:
            if isinstance(array, jax.ShapeDtypeStruct):
                return jax.ShapeDtypeStruct(array.shape[1:], array.dtype)
            return array[layer]

        ends = {
            name: jax.tree.map(lay, params[name], axes[name]) for name in params if name != "layers"
        }
        layers = [
            jax.tree.map(
                lambda array, names, i=i: lay(one(array, i), names[1:]),
                params["layers"],
                axes["layers"],
            )
            for i in range(c.layers)
        ]
        return {**ends, "layers": layers}

    def _shapes(self) -> State:
        """The state as `jax.ShapeDtypeStruct`."""
        mesh = self.mesh
        replicated = None if mesh is None else NamedSharding(mesh, PartitionSpec())
        kinds = {
            "token": jnp.int32, "length": jnp.int32, "left": jnp.int32, "active": jnp.bool_,
            "temperature": jnp.float32, "top_p": jnp.float32, "top_k": jnp.int32,
            "seed": jnp.uint32,
        }  # fmt: skip
        of_slots = {
            name: jax.ShapeDtypeStruct((self.slots,), kind, sharding=replicated)
            for name, kind in kinds.items()
        }
        return {"cache": self._cache_shapes(self.slots), **of_slots}

    def _cache_shapes(self, rows: int) -> Cache:
        c, mesh = self.config, self.mesh
        size = {
            "batch": rows, "kv_heads": c.kv_heads, "head_dim": c.head_dim, "length": self._places
        }  # fmt: skip
        pair = tuple(
            jax.ShapeDtypeStruct(
                tuple(size[axis] for axis in axes),
                jnp.dtype(c.compute_dtype),
                sharding=None if mesh is None else NamedSharding(mesh, partition_spec(axes)),
            )
            for axes in (KEYS_AXES, VALUES_AXES)
        )
        return [pair] * c.layers

    def _empty(self, shapes: Any) -> Any:
        return jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype, device=a.sharding), shapes)

    def lower_decode(self) -> jax.stages.Lowered:
        """The program of a call of decoding, to be compiled ahead of time."""
        stopped_B = jax.ShapeDtypeStruct((self.slots,), jnp.bool_)
        return self._functions["decode"].lower(self._params, self._shapes(), stopped_B)


def _common(a: np.ndarray, b: np.ndarray) -> int:
    """Length of the common beginning."""
    size = min(len(a), len(b))
    differ = np.flatnonzero(a[:size] != b[:size])
    return int(differ[0]) if len(differ) else size


def _attend(
    q_RxTxHxK: jax.Array,
    keys_BxJxKxS: jax.Array,
    values_BxJxSxK: jax.Array,
    places_RxT: jax.Array,
    filled: jax.Array,
    config: ModelConfig,
    window: int | None,
) -> jax.Array:
    """Attention over the first rows of a cache, a span at a time and no further than it is filled.

    The softmax is kept up over the spans (Milakov and Gimelshein 2018, Online normalizer
    calculation for softmax), so that one program serves all lengths.
    """
    R, T, H, K = q_RxTxHxK.shape
    J = keys_BxJxKxS.shape[1]
    q_RxJxGTxK = q_RxTxHxK.reshape(R, T, J, H // J, K).transpose(0, 2, 3, 1, 4).reshape(R, J, -1, K)
    places_RxGT = jnp.tile(places_RxT, (1, H // J))

    def span(number: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        most, total, mixed = carry
        first = number * SPAN
        keys = jax.lax.dynamic_slice(keys_BxJxKxS, (0, 0, 0, first), (R, J, K, SPAN))
        values = jax.lax.dynamic_slice(values_BxJxSxK, (0, 0, first, 0), (R, J, SPAN, K))
        att = jnp.einsum("rjqk,rjks->rjqs", q_RxJxGTxK, keys, preferred_element_type=jnp.float32)
        if config.attention_soft_cap is not None:
            att = config.attention_soft_cap * jnp.tanh(att / config.attention_soft_cap)
        back = places_RxGT[:, :, None] - (first + jnp.arange(SPAN))
        seen = back >= 0 if window is None else (back >= 0) & (back < window)
        att = jnp.where(seen[:, None], att, MASKED)
        new_most = jnp.maximum(most, att.max(-1))
        exp = jnp.where(seen[:, None], jnp.exp(att - new_most[..., None]), 0.0)
        scale = jnp.exp(most - new_most)
        part = jnp.einsum(
            "rjqs,rjsk->rjqk", exp.astype(values.dtype), values, preferred_element_type=jnp.float32
        )
        return new_most, total * scale + exp.sum(-1), mixed * scale[..., None] + part

    start = (
        jnp.full(q_RxJxGTxK.shape[:3], MASKED),
        jnp.zeros(q_RxJxGTxK.shape[:3]),
        jnp.zeros(q_RxJxGTxK.shape),
    )
    spans = (filled + SPAN - 1) // SPAN
    _, total, mixed = jax.lax.fori_loop(0, spans, span, start)
    out_RxJxGTxK = mixed / jnp.maximum(total, 1e-30)[..., None]
    out = out_RxJxGTxK.reshape(R, J, H // J, T, K).transpose(0, 3, 1, 2, 4).reshape(R, T, H, K)
    return out.astype(q_RxTxHxK.dtype)
