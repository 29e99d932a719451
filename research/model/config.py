"""What a model is: its shape and the choices that tell the open model families apart."""

from __future__ import annotations

import dataclasses
from typing import Literal

from research.errors import GristmillError


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """A decoder.  The defaults are Llama 2's choices; parameters are always float32.

    Attributes:
      vocabulary_size: V, rows of the embedding.
      layers: number of blocks.
      width: D, of the residual stream.
      heads: H, query heads.
      kv_heads: key and value heads; each serves heads / kv_heads query heads.
      head_dim: K.
      mlp_width: F.
      max_length: longest row that the model is meant for.
      activation: of the gated MLP: 'swiglu' (SiLU) or 'geglu' (GELU, tanh form).
      rope_base: wavelengths of the rotary embedding grow up to 2π times this.
      rope_local_base: the same for layers with a window; None for rope_base.
      rope_layout: which components form a pair: 'halves' (i, i + K/2) or 'interleaved'
        (2i, 2i + 1).
      rope_scaling: how long contexts are reached: 'none', 'linear' (positions divided by the
        factor) or 'llama3' (only wavelengths long against rope_original_length); never applied
        where rope_local_base is.
      rope_factor, rope_low_frequency, rope_high_frequency, rope_original_length: of the scaling.
      qk_norm: RMSNorm of each query and key head.
      qkv_bias: biases on queries, keys and values.
      tied_embeddings: the output projection is the embedding transposed.
      embedding_scale: multiplies the embeddings (Gemma: √D).
      norm_offset: RMSNorm multiplies by offset + scale; 1 in Gemma, else 0.
      norm_eps: added to the mean square.
      post_norms: norms after attention and MLP too, before they join the residual stream.
      attention_soft_cap, logit_soft_cap: c in c·tanh(x / c), or None.
      query_scale: multiplies q·k; None for 1 / √K.
      window: how many tokens, itself included, a token sees; None for all.
      window_pattern: with p > 0, every p-th layer ignores the window (6 in Gemma 3); with 0, none.
      compute_dtype: of matrix products and activations: 'bfloat16' or 'float32'.
    """

    vocabulary_size: int
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    mlp_width: int
    max_length: int
    activation: Literal["swiglu", "geglu"] = "swiglu"
    rope_base: float = 10_000.0
    rope_local_base: float | None = None
    rope_layout: Literal["halves", "interleaved"] = "halves"
    rope_scaling: Literal["none", "linear", "llama3"] = "none"
    rope_factor: float = 1.0
    rope_low_frequency: float = 1.0
    rope_high_frequency: float = 4.0
    rope_original_length: int = 8192
    qk_norm: bool = False
    qkv_bias: bool = False
    tied_embeddings: bool = False
    embedding_scale: float = 1.0
    norm_offset: float = 0.0
    norm_eps: float = 1e-5
    post_norms: bool = False
    attention_soft_cap: float | None = None
    logit_soft_cap: float | None = None
    query_scale: float | None = None
    window: int | None = None
    window_pattern: int = 0
    compute_dtype: Literal["bfloat16", "float32"] = "bfloat16"

    def __post_init__(self) -> None:
        """Raises GristmillError for a shape or a choice that makes no model."""
        for name in SIZES:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise GristmillError(
                    f"model {name} is {value!r}; it must be a whole number above 0"
                )
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise GristmillError(
                    f"model {name} is one of {', '.join(allowed)}, not {getattr(self, name)!r}"
                )
        for name in ("rope_base", "rope_factor", "norm_eps", "embedding_scale"):
            if not getattr(self, name) > 0:
                raise GristmillError(f"model {name} is {getattr(self, name)}; it must be above 0")
        for name in POSITIVE_OR_NONE:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise GristmillError(f"model {name} is {value}; it must be above 0, or None")
        if self.heads % self.kv_heads:
            raise GristmillError(
                f"model heads ({self.heads}) are not a multiple of kv_heads ({self.kv_heads})"
            )
        if self.head_dim % 2:
            raise GristmillError(f"model head_dim ({self.head_dim}) is odd; rotary pairs need even")
        if self.window_pattern < 0 or (self.window_pattern and self.window is None):
            raise GristmillError(
                f"model window_pattern is {self.window_pattern} and window {self.window}; "
                "a pattern needs a window and a number of layers of at least 0"
            )

    @property
    def attention_scale(self) -> float:
        """What q·k is multiplied by."""
        return self.head_dim**-0.5 if self.query_scale is None else self.query_scale

    @property
    def windows(self) -> tuple[int | None, ...]:
        """The window of each layer, None where it sees everything."""
        period = self.window_pattern
        return tuple(
            None if period and (layer + 1) % period == 0 else self.window
            for layer in range(self.layers)
        )


SIZES = (
    "vocabulary_size",
    "layers",
    "width",
    "heads",
    "kv_heads",
    "head_dim",
    "mlp_width",
    "max_length",
    "rope_original_length",
)
CHOICES = {
    "activation": ("swiglu", "geglu"),
    "rope_layout": ("halves", "interleaved"),
    "rope_scaling": ("none", "linear", "llama3"),
    "compute_dtype": ("bfloat16", "float32"),
}
POSITIVE_OR_NONE = (
    "rope_local_base",
    "attention_soft_cap",
    "logit_soft_cap",
    "query_scale",
    "window",
)


def parameters(config: ModelConfig, embeddings: bool = True) -> int:
    """Number of parameters; without `embeddings`, of the blocks and the final norm alone."""
    c = config
    norms = (4 if c.post_norms else 2) * c.width
    biases = (c.heads + 2 * c.kv_heads) * c.head_dim if c.qkv_bias else 0
    head_norms = 2 * c.head_dim if c.qk_norm else 0
    count = c.layers * (_block_matrices(c) + norms + biases + head_norms) + c.width
    tables = 1 if c.tied_embeddings else 2
    return count + (tables * c.vocabulary_size * c.width if embeddings else 0)


def flops_per_token(config: ModelConfig, length: int) -> float:
    """Model FLOPs of training on a token of a row of `length`: forward, and twice that backward.

    6 for each parameter of a matrix product (the output projection, not the look-up), and
    attention over the tokens that a causal mask and the windows leave: 12·H·K for each of them
    and layer (Chowdhery et al. 2022, PaLM, appendix B, with causal contexts).  Recomputation and
    the borders of documents are not counted.
    """
    c = config
    matrices = c.layers * _block_matrices(c) + c.vocabulary_size * c.width
    contexts = 0.0
    for window in c.windows:
        w = min(window or length, length)
        contexts += (w * (w + 1) / 2 + (length - w) * w) / length
    return 6.0 * matrices + 12.0 * c.heads * c.head_dim * contexts


def _block_matrices(c: ModelConfig) -> int:
    attention = 2 * c.width * c.head_dim * (c.heads + c.kv_heads)
    return attention + 3 * c.width * c.mlp_width
