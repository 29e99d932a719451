"""All generators by name."""

from __future__ import annotations

from collections.abc import Sequence

from research import gin_bindings
from research.errors import GristmillError
from research.rephrase.synthesis.generator import Generator
from research.rephrase.synthesis.math_problems import MathTemplates
from research.rephrase.synthesis.sketches import Sketches
from research.rephrase.synthesis.sums import Sums
from research.rephrase.synthesis.untie_knots import UntieKnots
from research.rephrase.synthesis.variants import Variants

GENERATORS: dict[str, type[Generator]] = {
    generator.name: generator for generator in (MathTemplates, Sums, UntieKnots, Sketches, Variants)
}


def find_generator(
    name: str, gin_files: Sequence[str] = (), options: Sequence[str] = ()
) -> Generator:
    """A generator with the settings that Gin binds.

    Args:
      name: a key of `GENERATORS`.
      gin_files, options: files with bindings of its fields, and bindings that override them.

    Raises:
      GristmillError: there is none, or a binding is unknown or of a value that does not fit.
    """
    if name not in GENERATORS:
        raise GristmillError(
            f"no generator {name!r}; {gin_bindings.closest(name, GENERATORS)} "
            "(gristmill synthesize list)"
        )
    generator = GENERATORS[name]
    bindings = gin_bindings.read(gin_files, options, {name: generator})
    values = {field: binding.value for field, binding in bindings[name].items()}
    try:
        return gin_bindings.build(generator, values, name)
    except GristmillError as error:
        raise gin_bindings.placed(error, bindings) from None
