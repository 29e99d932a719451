"""Programs that were rewritten: they parse, and offer what the source offered, under its names."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from typing import ClassVar

from research.rephrase.python_source import parse
from research.rephrase.style import Check, Rejection

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclasses.dataclass(frozen=True)
class CodeParses(Check):
    """Rewrites that are Python programs with at least one statement that is no string."""

    name: ClassVar[str] = "code_parses"
    version: ClassVar[int] = 1

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        tree = parse(rewrite)
        if tree is None:
            return Rejection("does not parse")
        if all(_is_string(node) for node in tree.body):
            return Rejection("no code")
        return None


def _is_string(node: ast.stmt) -> bool:
    constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return constant and isinstance(node.value.value, str)


@dataclasses.dataclass(frozen=True)
class CodeChanged(Check):
    """Rewrites that are not their source again, with other spaces at most."""

    name: ClassVar[str] = "code_changed"
    version: ClassVar[int] = 1

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        return Rejection("nothing changed") if source.split() == rewrite.split() else None


@dataclasses.dataclass(frozen=True)
class PublicNamesKept(Check):
    """Rewrites that define the public names of their source, to be used as before.

    Functions, methods, classes and constants of the module and of its public classes, without those
    that begin with an underscore (but with `__init__`) and without tests; what the source lists in
    `__all__` or takes over by `from … import *`, and `__version__`.  Whoever called a
    function before must be able to call it the same way: parameters keep order, names and defaults;
    new ones have a default.  A source that does not parse is not judged.
    """

    name: ClassVar[str] = "public_names"
    version: ClassVar[int] = 2

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        before, after = parse(source), parse(rewrite)
        if before is None:
            return None
        if after is None:
            return Rejection("does not parse")
        offered, taken_over = _interface(after), _imported(after)
        for name, old in _interface(before).items():
            if name not in offered:
                return Rejection("public name lost", name)
            if what := old.broken_by(offered[name]):
                return Rejection("signature changed", f"{name}: {what}")
        everything = any(name.startswith("*") for name in taken_over)
        for name in _passed_on(before):
            if name not in taken_over | offered.keys() and (name[0] == "*" or not everything):
                return Rejection("public name lost", name)
        return None


@dataclasses.dataclass(frozen=True)
class _Offer:
    """What a name stands for: 'function', 'async function', 'class' or 'value'; how a function is
    bound ('property', 'staticmethod', 'classmethod' or ''), and its parameters."""

    kind: str
    bound: str = ""
    parameters: ast.arguments | None = None

    def broken_by(self, new: _Offer) -> str:
        """What stops a user of this from using another in its place; empty if nothing does."""
        if "value" in (self.kind, new.kind) and self.kind != "class":
            return ""  # an assigned function or property may be anything
        if self.kind == "class":
            return "" if new.kind in ("class", "value") else f"{new.kind}, not class"
        if new.kind != self.kind:
            return f"{new.kind}, not {self.kind}"
        if new.bound != self.bound:
            return f"{new.bound or 'plain'}, not {self.bound or 'plain'}"
        return _calls_broken(self.parameters, new.parameters)


def _calls_broken(old: ast.arguments, new: ast.arguments) -> str:
    positional = [*old.posonlyargs, *old.args]
    now = [*new.posonlyargs, *new.args]
    optional, optional_now = len(old.defaults), len(new.defaults)
    by_name = {arg.arg for arg in [*new.args, *new.kwonlyargs]}
    for i, arg in enumerate(positional):
        if i >= len(now):
            return f"no parameter {arg.arg} in its place"
        if i >= len(old.posonlyargs) and (now[i].arg != arg.arg or arg.arg not in by_name):
            # the first parameter of a method is nobody's business
            if i == 0 and arg.arg in ("self", "cls"):
                continue
            return f"{now[i].arg} in the place of {arg.arg}"
        had_default = i >= len(positional) - optional
        if had_default and i < len(now) - optional_now:
            return f"{arg.arg} has no default"
    for i, arg in enumerate(now[len(positional) :], start=len(positional)):
        if i < len(now) - optional_now:
            return f"{arg.arg} is new and has no default"
    had = {arg.arg: default for arg, default in zip(old.kwonlyargs, old.kw_defaults, strict=True)}
    has = {arg.arg: default for arg, default in zip(new.kwonlyargs, new.kw_defaults, strict=True)}
    has |= {arg.arg: True for arg in new.args[len(new.args) - optional_now :]}
    for name, default in had.items():
        if name not in by_name and not new.kwarg:
            return f"no parameter {name}"
        if default is not None and name in has and has[name] is None:
            return f"{name} has no default"
    for name, default in has.items():
        if default is None and name not in had:
            return f"{name} is new and has no default"
    if old.vararg and not new.vararg:
        return f"no *{old.vararg.arg}"
    if old.kwarg and not new.kwarg:
        return f"no **{old.kwarg.arg}"
    return ""


def _interface(tree: ast.Module) -> dict[str, _Offer]:
    """The public names of a module, those of classes as `Class.name`."""
    classes = {node.name: node for node in _statements(tree.body) if isinstance(node, ast.ClassDef)}
    offers: dict[str, _Offer] = {}
    for name, node in _definitions(tree.body):
        if name != "__version__" and (name[0] == "_" or name.lower().startswith("test")):
            continue
        offers[name] = _offer(node)
        if isinstance(node, ast.ClassDef):
            for member, offer in _members(node, classes, set()).items():
                if not member.startswith("_") or member == "__init__":
                    offers[f"{name}.{member}"] = offer
    return offers


def _passed_on(tree: ast.Module) -> list[str]:
    """Of the names that a module imports, those that it lists in `__all__`; `*module` for all of a
    module's."""
    listed = {
        part.value
        for name, node in _definitions(tree.body)
        if name == "__all__" and isinstance(node.value, ast.Tuple | ast.List)
        for part in node.value.elts
        if isinstance(part, ast.Constant)
    }
    return sorted(name for name in _imported(tree) if name in listed or name[0] == "*")


def _imported(tree: ast.Module) -> set[str]:
    """The names that a module imports; `*module` for all of a module's."""
    names: set[str] = set()
    for node in _statements(tree.body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                star = f"*{'.' * node.level}{node.module or ''}" if alias.name == "*" else ""
                names.add(star or alias.asname or alias.name.partition(".")[0])
    return names


def _members(
    node: ast.ClassDef, classes: dict[str, ast.ClassDef], seen: set[str]
) -> dict[str, _Offer]:
    """What a class has, by itself or from classes of the same module."""
    members: dict[str, _Offer] = {}
    if node.name in seen:
        return members
    seen = seen | {node.name}
    for base in reversed(node.bases):
        if isinstance(base, ast.Name) and base.id in classes and len(seen) < 20:
            members |= _members(classes[base.id], classes, seen)
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        members["__init__"] = _Offer("value")  # is made from the fields
    return members | {name: _offer(part) for name, part in _definitions(node.body)}


def _definitions(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    for node in _statements(body):
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                parts = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
                for part in parts:
                    if isinstance(part, ast.Name):
                        yield part.id, node


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a body, and of the branches that run where it runs."""
    waiting = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)[:200]:
                continue
            for part in ("body", "orelse", "handlers", "finalbody"):
                for inner in getattr(node, part, []):
                    waiting += inner.body if isinstance(inner, ast.ExceptHandler) else [inner]


def _offer(node: ast.stmt) -> _Offer:
    if isinstance(node, ast.ClassDef):
        return _Offer("class")
    if not isinstance(node, _FUNCTIONS):
        return _Offer("value")
    bound = ""
    for decorator in node.decorator_list:
        name = ast.unparse(decorator)
        if name in ("property", "cached_property", "functools.cached_property", "staticmethod",
                    "classmethod"):  # fmt: skip
            bound = name.removeprefix("functools.").removeprefix("cached_")
    kind = "async function" if isinstance(node, ast.AsyncFunctionDef) else "function"
    return _Offer(kind, bound, node.args)
