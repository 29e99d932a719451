"""Text from the model: decoding with a cache of keys and values, many prompts at a time.

A fixed number of slots, each with room in the cache for one prompt and its answer, are worked on
together, a token a step; a slot whose answer ends is given to the next prompt at once.  Prompts are
read in pieces of equal length, so that for any lengths of prompts and answers only four programs
are compiled:

    decode   some tokens for every slot
    prefill  a piece of one prompt into its slot
    keep     a slot's cache, as the prefix of others
    adopt    that prefix into a slot

A prefix that prompts share (a style's instruction) is read once.  The layers are those that are
trained: only attention is another, over the cache.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
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
from research.model.rope import rope_tables
from research.model.sampling import choose
from research.model.sharding import BATCH_AXES, constrain, param_shardings, partition_spec
from research.model.transformer import Block, Ends, Params, Place, assemble, logits, structure

PIECE = 128  # tokens of a prompt that are read at a time
SPAN = 128  # places of the cache that attention looks at at a time
TOKENS_PER_CALL = 8  # decoded before the host looks at them
MASKED = -1e30
CACHE_AXES = ("batch", "kv_heads", "length", "head_dim")
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
        self._stop_ids = np.asarray(list(stop_ids) or [-1], np.int32)
        self._params = self._lay_out(params)
        self._functions = {
            name: jax.jit(getattr(self, f"_{name}"), donate_argnums=donated)
            for name, donated in {"decode": 1, "prefill": 1, "keep": (), "adopt": 0}.items()
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
        state = self._empty()
        free = list(range(self.slots))
        under_way: dict[int, _Answer] = {}
        numbered = enumerate(prompts)
        waiting: collections.deque[tuple[int, Prompt]] = collections.deque()
        prefix = _Prefix()
        while True:
            while free:
                waiting.extend(itertools.islice(numbered, max(0, 2 - len(waiting))))
                if not waiting:
                    break
                number, prompt = waiting.popleft()
                following = waiting[0][1].tokens if waiting else prompt.tokens
                slot = free.pop()
                answer = _Answer(prompt, number)
                state, alive = self._read(state, slot, answer, prefix, following)
                done = self._ended(answer, alive)
                if done is None:
                    under_way[slot] = answer
                    continue
                free.append(slot)
                state = self._rest(state, [slot] if alive else [])
                yield number, done
            if not under_way:
                return
            state, (tokens_CxB, logprobs_CxB, new_CxB) = self._functions["decode"](
                self._params, state
            )
            tokens_CxB, logprobs_CxB, new_CxB, active_B = jax.device_get(
                (tokens_CxB, logprobs_CxB, new_CxB, state["active"])
            )
            stopped = []  # by us, and not by the model
            for slot, answer in list(under_way.items()):
                new_C = new_CxB[:, slot]
                answer.tokens += tokens_CxB[new_C, slot].tolist()
                answer.logprobs += logprobs_CxB[new_C, slot].tolist()
                if done := self._ended(answer, bool(active_B[slot])):
                    stopped += [slot] if active_B[slot] else []
                    del under_way[slot]
                    free.append(slot)
                    yield answer.number, done
            state = self._rest(state, stopped)

    def _rest(self, state: State, slots: list[int]) -> State:
        if not slots:
            return state
        return {**state, "active": state["active"].at[np.asarray(slots)].set(False)}

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

    def _read(
        self,
        state: State,
        slot: int,
        answer: _Answer,
        prefix: _Prefix,
        following: Sequence[int],
    ) -> tuple[State, bool]:
        """Reads a prompt into a slot and chooses the first token of its answer; whether there will
        be more."""
        prompt = answer.prompt
        tokens = np.asarray(prompt.tokens, np.int32)
        if not 0 < len(tokens) < self.context:
            raise GristmillError(
                f"a prompt of {len(tokens)} tokens, where a context of {self.context} shall hold "
                "it and its answer"
            )
        start = prefix.shared_with(tokens)
        if start:
            state = self._functions["adopt"](state, prefix.cache, slot)
        settings = {
            "temperature": np.float32(prompt.temperature),
            "top_p": np.float32(prompt.top_p),
            "top_k": np.int32(prompt.top_k),
            "seed": np.uint32(prompt.seed),
            "left": np.int32(self._room(prompt)),
        }
        while start < len(tokens):
            piece = tokens[start : start + PIECE]
            padded = np.zeros((1, PIECE), np.int32)
            padded[0, : len(piece)] = piece
            state, first = self._functions["prefill"](
                self._params, state, padded, slot, start, len(piece),
                start + len(piece) == len(tokens), settings,
            )  # fmt: skip
            start += len(piece)
        if prefix.learn(tokens, following):
            prefix.cache = self._functions["keep"](state, slot)
        token, logprob, new, going = jax.device_get(first)
        if new:
            answer.tokens.append(int(token))
            answer.logprobs.append(float(logprob))
        return state, bool(going)

    # ---- programs -------------------------------------------------------------------------------

    def _decode(self, params: Params, state: State) -> tuple[State, tuple[jax.Array, ...]]:
        """TOKENS_PER_CALL tokens for every slot; which of them belong to answers."""

        def step(state: State, _: None) -> tuple[State, tuple[jax.Array, ...]]:
            length_B = jnp.where(state["active"], state["length"], self._places - 1)

            def write(cache: jax.Array, new_Bx1xJxK: jax.Array) -> jax.Array:
                rows = jnp.arange(self.slots)
                return cache.at[rows, :, length_B].set(new_Bx1xJxK[:, 0].astype(cache.dtype))

            cache, hidden_Bx1xD = self._layers(
                params, state["cache"], state["token"][:, None], length_B[:, None], write,
                lambda cache: cache, jnp.where(state["active"], state["length"], 0).max() + 1,
            )  # fmt: skip
            active_B = state["active"]
            length_B = state["length"] + active_B
            token_B, logprob_B, new_B, going_B = self._next(params, hidden_Bx1xD, state, length_B)
            new_B &= active_B
            state = {
                **state,
                "cache": cache,
                "length": length_B,
                "token": token_B,
                "left": state["left"] - new_B,
                "active": active_B & going_B,
            }
            return state, (token_B, logprob_B, new_B)

        return jax.lax.scan(step, state, None, TOKENS_PER_CALL)

    def _prefill(
        self,
        params: Params,
        state: State,
        tokens_1xP: jax.Array,
        slot: jax.Array,
        start: jax.Array,
        count: jax.Array,
        last: jax.Array,
        settings: dict[str, jax.Array],
    ) -> tuple[State, tuple[jax.Array, ...]]:
        """`count` tokens into a slot from place `start` on; after the last piece, the first token
        of the answer."""

        def write(cache: jax.Array, new_1xPxJxK: jax.Array) -> jax.Array:
            new_1xJxPxK = new_1xPxJxK.swapaxes(1, 2).astype(cache.dtype)
            return jax.lax.dynamic_update_slice(cache, new_1xJxPxK, (slot, 0, start, 0))

        def row(cache: jax.Array) -> jax.Array:
            return jax.lax.dynamic_slice_in_dim(cache, slot, 1)

        places_1xP = (start + jnp.arange(PIECE))[None]
        cache, hidden_1xPxD = self._layers(
            params, state["cache"], tokens_1xP, places_1xP, write, row, start + count
        )
        last_1x1xD = jax.lax.dynamic_slice_in_dim(hidden_1xPxD, count - 1, 1, axis=1)
        token, logprob, new, going = self._next(
            params, last_1x1xD, {name: value[None] for name, value in settings.items()},
            (start + count)[None],
        )  # fmt: skip
        facts = {
            "length": start + count, **settings, "token": token[0],
            "left": settings["left"] - new[0], "active": last & going[0],
        }  # fmt: skip
        state = {"cache": cache, **{name: state[name].at[slot].set(facts[name]) for name in facts}}
        return state, (token[0], logprob[0], new[0], going[0])

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
        logits_RxV = logits(hidden_Rx1xD, params, self.config)[:, 0]
        token_R, logprob_R = choose(
            logits_RxV, settings["temperature"], settings["top_p"], settings["top_k"],
            settings["seed"], place_R,
        )  # fmt: skip
        new_R = ~jnp.isin(token_R, self._stop_ids)
        return token_R, logprob_R, new_R, new_R & (settings["left"] > 1)

    def _layers(
        self,
        params: Params,
        cache: list[tuple[jax.Array, jax.Array]],
        tokens_RxT: jax.Array,
        places_RxT: jax.Array,
        write: Callable[[jax.Array, jax.Array], jax.Array],
        rows: Callable[[jax.Array], jax.Array],
        filled: jax.Array,
    ) -> tuple[list[tuple[jax.Array, jax.Array]], jax.Array]:
        """What the model makes of some tokens that see the cache, which they are written to first.

        Args:
          params: laid out.
          cache: keys and values [B, J, S, K] of every layer.
          tokens_RxT, places_RxT: what to read, and where in the rows of the cache.
          write: puts new keys or values [R, T, J, K] into a cache.
          rows: the rows of a cache that the tokens belong to.
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
                keys, values = (
                    constrain(write(old, new), CACHE_AXES, self.mesh)
                    for old, new in ((keys, k), (values, v))
                )
                written.append((keys, values))
                return _attend(q, rows(keys), rows(values), places_RxT, filled, c, window)

            place = Place(tables[window], attend, self.mesh)
            x_RxTxD = assemble(graph, block)(x_RxTxD, place)
        return written, ends.final_norm(x_RxTxD)

    def _keep(self, state: State, slot: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
        return jax.tree.map(
            lambda cache: jax.lax.dynamic_slice_in_dim(cache, slot, 1), state["cache"]
        )

    def _adopt(self, state: State, prefix: Any, slot: jax.Array) -> State:
        def put(cache: jax.Array, row: jax.Array) -> jax.Array:
            return jax.lax.dynamic_update_slice_in_dim(cache, row, slot, axis=0)

        return {**state, "cache": jax.tree.map(put, state["cache"], prefix)}

    # ---- arrays ---------------------------------------------------------------------------------

    def _lay_out(self, params: Params) -> Params:
        """Each layer's parameters by themselves, matrices in the dtype that they are used in.

        A program that picks a layer out of stacked arrays would copy the whole model at each token.
        """
        c = self.config
        dtype = jnp.dtype(c.compute_dtype)
        shardings = None if self.mesh is None else param_shardings(c, self.mesh)

        def place(array: Any, sharding: NamedSharding | None) -> Any:
            kind = dtype if len(array.shape) > 1 else array.dtype
            if isinstance(array, jax.ShapeDtypeStruct):
                return jax.ShapeDtypeStruct(array.shape, kind, sharding=sharding)
            return jax.device_put(array.astype(kind), sharding)

        def one(array: Any, layer: int) -> Any:
            if isinstance(array, jax.ShapeDtypeStruct):
                return jax.ShapeDtypeStruct(array.shape[1:], array.dtype)
            return array[layer]

        def unstacked(sharding: NamedSharding) -> NamedSharding:
            return NamedSharding(sharding.mesh, PartitionSpec(*sharding.spec[1:]))

        ends = {name: params[name] for name in params if name != "layers"}
        if shardings is None:
            place_all = functools.partial(jax.tree.map, lambda array: place(array, None))
            layers = [
                place_all(jax.tree.map(lambda a, i=i: one(a, i), params["layers"]))
                for i in range(c.layers)
            ]
            return {**place_all(ends), "layers": layers}
        of_layer = jax.tree.map(unstacked, shardings["layers"])
        layers = [
            jax.tree.map(lambda a, s, i=i: place(one(a, i), s), params["layers"], of_layer)
            for i in range(c.layers)
        ]
        return {**{n: jax.tree.map(place, ends[n], shardings[n]) for n in ends}, "layers": layers}

    def _shapes(self) -> State:
        """The state as `jax.ShapeDtypeStruct`."""
        c, mesh = self.config, self.mesh
        replicated = None if mesh is None else NamedSharding(mesh, PartitionSpec())
        split = None if mesh is None else NamedSharding(mesh, partition_spec(CACHE_AXES))
        shape = (self.slots, c.kv_heads, self._places, c.head_dim)
        keys = jax.ShapeDtypeStruct(shape, jnp.dtype(c.compute_dtype), sharding=split)
        kinds = {
            "token": jnp.int32, "length": jnp.int32, "left": jnp.int32, "active": jnp.bool_,
            "temperature": jnp.float32, "top_p": jnp.float32, "top_k": jnp.int32,
            "seed": jnp.uint32,
        }  # fmt: skip
        of_slots = {
            name: jax.ShapeDtypeStruct((self.slots,), kind, sharding=replicated)
            for name, kind in kinds.items()
        }
        return {"cache": [(keys, keys)] * c.layers, **of_slots}

    def _empty(self) -> State:
        return jax.tree.map(
            lambda a: jnp.zeros(a.shape, a.dtype, device=a.sharding), self._shapes()
        )

    def lower_decode(self) -> jax.stages.Lowered:
        """The program of a call of decoding, to be compiled ahead of time."""
        return self._functions["decode"].lower(self._params, self._shapes())


class _Prefix:
    """The beginning that prompts share, and its cache."""

    def __init__(self) -> None:
        self.tokens = np.zeros(0, np.int32)
        self.cache: Any = None

    def shared_with(self, tokens: np.ndarray) -> int:
        """How many tokens of a prompt need no reading; one is left to go on from."""
        return _common(self.tokens, tokens[:-1])

    def learn(self, tokens: np.ndarray, following: Sequence[int]) -> bool:
        """Whether to keep the cache of this prompt, because the next begins as it does."""
        common = _common(tokens, np.asarray(following[:-1], np.int32))
        if len(following) == len(tokens) and common >= len(tokens) - 1:
            return False  # the same prompt, or there is no other
        known = _common(self.tokens, tokens[:common])
        if common < PIECE // 4 or known == common:
            return False  # too little to gain
        self.tokens = tokens[:common]
        return True


def _common(a: np.ndarray, b: np.ndarray) -> int:
    """Length of the common beginning."""
    size = min(len(a), len(b))
    differ = np.flatnonzero(a[:size] != b[:size])
    return int(differ[0]) if len(differ) else size


def _attend(
    q_RxTxHxK: jax.Array,
    keys_RxJxSxK: jax.Array,
    values_RxJxSxK: jax.Array,
    places_RxT: jax.Array,
    filled: jax.Array,
    config: ModelConfig,
    window: int | None,
) -> jax.Array:
    """Attention over a cache, a span of it at a time and no further than it is filled.

    The softmax is kept up over the spans (Milakov and Gimelshein 2018, Online normalizer
    calculation for softmax), so that one program serves all lengths.
    """
    R, T, H, K = q_RxTxHxK.shape
    J = keys_RxJxSxK.shape[1]
    q_RxJxGTxK = q_RxTxHxK.reshape(R, T, J, H // J, K).transpose(0, 2, 3, 1, 4).reshape(R, J, -1, K)
    places_RxGT = jnp.tile(places_RxT, (1, H // J))

    def span(number: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        most, total, mixed = carry
        first = number * SPAN
        keys, values = (
            jax.lax.dynamic_slice_in_dim(cache, first, SPAN, axis=2)
            for cache in (keys_RxJxSxK, values_RxJxSxK)
        )
        att = jnp.einsum("rjqk,rjsk->rjqs", q_RxJxGTxK, keys, preferred_element_type=jnp.float32)
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
