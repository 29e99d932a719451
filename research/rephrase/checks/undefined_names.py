"""Programs that use names which nothing defines: they parse, and fail when they run."""

from __future__ import annotations

import ast
import builtins
import dataclasses
from typing import ClassVar

from research.rephrase.python_source import parse
from research.rephrase.style import Check, Rejection

_GIVEN = {*dir(builtins), "__builtins__", "__file__", "__path__", "__class__", "WindowsError"}


@dataclasses.dataclass(frozen=True)
class NamesDefined(Check):
    """Rewrites in which every name is defined or imported somewhere, or used so by the source.

    Scopes are not told apart, and programs with `from … import *` or `globals()` are not judged:
    nothing that runs is rejected, if not all that fails is.
    """

    name: ClassVar[str] = "names_defined"
    version: ClassVar[int] = 1

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        before, after = parse(source), parse(rewrite)
        if after is None:
            return Rejection("does not parse")
        lacking = _undefined(after) - (_undefined(before) if before else set())
        if not lacking:
            return None
        return Rejection("undefined name", ", ".join(sorted(lacking)[:5]))


def _undefined(tree: ast.Module) -> set[str]:
    used: set[str] = set()
    defined = set(_GIVEN)
    for node in ast.walk(tree):
        match node:
            case ast.alias(name="*") | ast.Name(id="globals" | "vars" | "exec"):
                return set()
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name) | ast.arg(arg=name):
                defined.add(name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                defined.add(node.name)
            case ast.alias():
                defined.add(node.asname or node.name.partition(".")[0])
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                defined.add(name)
            case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                defined.add(name)
            case _ if type(node).__name__ in ("TypeVar", "ParamSpec", "TypeVarTuple"):
                defined.add(node.name)  # Python 3.12's, of `def f[T](x: T)`
    return used - defined
