"""Learning-rate schedules, as a share of the peak over the steps."""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from research.errors import GristmillError


@dataclasses.dataclass(frozen=True)
class LearningRate:
    """A linear warm-up, then one of four courses.

    Attributes:
      peak: the highest rate.
      warmup_steps: until the peak, from `initial` × peak.
      kind: 'cosine' falls to `final` × peak along half a cosine; 'linear' along a line; 'wsd'
        (warm-up, stable, decay) holds the peak and falls over the last `decay_steps` along
        1 - sqrt, the best of the shapes compared by Hägele et al., "Scaling laws and
        compute-optimal training beyond fixed training durations" (2024); 'constant' holds it.
      decay_steps: of 'wsd'.
      initial: share of the peak at step 0: above 0 when re-warming from another run's weights.
      final: share of the peak at the end.
    """

    peak: float
    warmup_steps: int
    kind: Literal["cosine", "linear", "wsd", "constant"] = "cosine"
    decay_steps: int | None = None
    initial: float = 0.0
    final: float = 0.1

    def __post_init__(self) -> None:
        """Raises GristmillError for numbers that make no schedule."""
        if not self.peak > 0:
            raise GristmillError(f"learning_rate.peak is {self.peak}; it must be above 0")
        if self.warmup_steps < 0:
            raise GristmillError(f"learning_rate.warmup_steps is {self.warmup_steps}, below 0")
        for name in ("initial", "final"):
            if not 0 <= getattr(self, name) <= 1:
                raise GristmillError(
                    f"learning_rate.{name} is {getattr(self, name)}; it is a share of the peak"
                )
        if (self.kind == "wsd") != (self.decay_steps is not None):
            raise GristmillError("learning_rate.decay_steps is set with kind 'wsd', and only then")

    def check(self, steps: int) -> None:
        """Raises GristmillError if the schedule does not fit into a run of so many steps."""
        used = self.warmup_steps + (self.decay_steps or 0)
        if used > steps:
            raise GristmillError(
                f"learning_rate.warmup_steps and decay_steps are {used} steps together; "
                f"the run has {steps}"
            )

    def share(self, step: jax.Array, steps: int) -> jax.Array:
        """The learning rate at a step as a share of its peak, float32.

        Args:
          step: int32, from 0; any shape.
          steps: of the whole run.

        Returns:
          1 at the end of the warm-up; step 0 of a warm-up from 0 has 1/warmup_steps, so that no
          step is without effect.
        """
        t = jnp.asarray(step, jnp.float32)
        warm = jnp.float32(1)
        if self.warmup_steps:
            warm = self.initial + (1 - self.initial) * jnp.minimum((t + 1) / self.warmup_steps, 1)
        if self.kind == "constant":
            return jnp.broadcast_to(warm, t.shape)
        begin = steps - self.decay_steps if self.decay_steps is not None else self.warmup_steps
        # 0 at the first step of the decay, 1 at the last step of the run
        x = jnp.clip((t - begin) / max(1, steps - 1 - begin), 0, 1)
        if self.kind == "cosine":
            fall = 0.5 * (1 + jnp.cos(jnp.pi * x))
        elif self.kind == "linear":
            fall = 1 - x
        else:
            fall = 1 - jnp.sqrt(x)
        return warm * (self.final + (1 - self.final) * fall)
