"""What decides what a function does, as one hash: its source and, by value, all that it uses.

A function of the user's is its source, its defaults, its closure and the globals it names;
a module that it reaches into (`helper.MARK`) is the attributes it names; an object is what pickle
would keep of it.  The standard library and installed packages are versioned on their own: of them
only names count.  What cannot be described is refused, since a change of it would go unnoticed.
"""

from __future__ import annotations

import copyreg
import dis
import functools
import inspect
import math
import sys
import types
from collections.abc import Iterator
from typing import Any

from research import artefacts
from research.errors import GristmillError
from research.registry import modules

_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_DESCRIPTORS = (types.GetSetDescriptorType, types.MemberDescriptorType)
_REMEDY = (
    "which cannot be described, so a change of it would go unnoticed; use functions and classes of "
    "a module, numbers, strings and containers of them"
)

Reference = tuple[str, str]  # a module's name, and that of a global of it


def source_sha256(function: Any) -> str:
    """SHA-256 of a step's source, and of all that it uses.

    Raises:
      GristmillError: it uses something that cannot be described.
    """
    package = getattr(function, "__module__", "").partition(".")[0]
    own = "" if package == "seqio" else package  # SeqIO's own steps are a library's
    where = f"{modules.label(function.__module__)}:{getattr(function, '__qualname__', '?')}"
    described = describe(function, where, own)
    if isinstance(function, types.FunctionType) and own != package:
        described = [described, _source(function.__code__)]
    return artefacts.fingerprint(described)


def describe(value: Any, where: str, own: str = "") -> Any:
    """A value as JSON that is the same in every process, and for equal values alone.

    Args:
      value: anything that decides what a step does.
      where: what uses it, for errors.
      own: a package of the user's even if it is installed.

    Raises:
      GristmillError: it is, or uses, something that cannot be described.
    """
    describer = _Describer(own)
    try:
        described = describer.value(value)
    except _OpaqueError as error:
        raise GristmillError(f"{where} uses {error}, {_REMEDY}") from None
    parts: dict[Reference, Any] = {}
    pending = list(describer.references)
    while pending:
        reference = pending.pop()
        if reference in parts:
            continue
        try:
            parts[reference], more = _global(own, *reference)
        except _OpaqueError as error:
            name = f"{modules.label(reference[0])}.{reference[1]}"
            raise GristmillError(f"{where} uses {name} ({error}), {_REMEDY}") from None
        pending += more
    if not parts:
        return described
    used = [[f"{modules.label(module)}.{name}", parts[module, name]] for module, name in parts]
    return ["with", described, artefacts.fingerprint(sorted(used, key=repr))]


@functools.cache  # as it is at first sight: a function may keep results in a global
def _global(own: str, module: str, name: str) -> tuple[Any, frozenset[Reference]]:
    describer = _Describer(own)
    return describer.value(vars(sys.modules[module])[name]), frozenset(describer.references)


class _OpaqueError(Exception):
    """A value that cannot be described: the message is what it is."""


class _Describer:
    """Describes values, and collects the globals that the functions among them refer to."""

    def __init__(self, own: str) -> None:
        self.own = own
        self.references: set[Reference] = set()
        self.open: list[int] = []  # ids of the values being described, the outermost first

    def follows(self, module: str) -> bool:
        """Whether a module is the user's or ours, rather than a library."""
        return module.partition(".")[0] in ("research", self.own) or modules.is_users(module)

    def value(self, value: Any) -> Any:
        """JSON that tells a value from every other."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else ["float", repr(value)]
        if type(value) is bytes:
            return ["bytes", value.hex()]
        if id(value) in self.open:
            return ["around", len(self.open) - self.open.index(id(value))]
        self.open.append(id(value))
        try:
            return self._compound(value)
        except RecursionError:
            raise _OpaqueError(f"a {type(value).__name__} nested too deeply") from None
        finally:
            self.open.pop()

    def _compound(self, value: Any) -> Any:
        kind = type(value)
        if kind in (list, tuple):
            return [kind.__name__, *map(self.value, value)]
        if isinstance(value, set | frozenset):
            return ["set", self.value(kind), *sorted(map(self.value, value), key=repr)]
        if kind in (dict, types.MappingProxyType):  # in its order, which a loop over it sees
            return ["dict", *([self.value(key), self.value(item)] for key, item in value.items())]
        if isinstance(value, types.ModuleType):
            return ["module", modules.label(value.__name__)]
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        plumbing = kind.__module__.startswith("research.registry.")  # a TextPreprocessor
        if (plumbing or not self.follows(kind.__module__)) and hasattr(value, "__wrapped__"):
            return ["wrapped", kind.__qualname__, self.value(value.__wrapped__)]
        return self._object(value)

    def _object(self, value: Any) -> Any:
        kind = type(value)
        reduce = copyreg.dispatch_table.get(kind)
        try:
            kept = reduce(value) if reduce else value.__reduce_ex__(2)
        except Exception:
            raise _OpaqueError(f"a {kind.__qualname__}") from None
        if isinstance(kept, str):  # the global of that name
            return ["object", kind.__qualname__, getattr(value, "__module__", None), kept]
        parts = (list(part) if isinstance(part, Iterator) else part for part in kept)
        return ["object", *map(self.value, parts)]

    def _function(self, function: types.FunctionType, with_source: bool = True) -> Any:
        module = function.__globals__.get("__name__", "")
        name = f"{modules.label(module)}:{function.__code__.co_qualname}"
        follows = self.follows(module)
        if not follows and _is_held(function):
            return ["function", name]
        closure = [None if _is_empty(cell) else [self.value(cell.cell_contents)]
                   for cell in function.__closure__ or ()]  # fmt: skip
        if not follows:  # a library made it, of what its closure holds
            return ["function", name, closure]
        source = _source(function.__code__) if with_source else ""
        self._refer(function)
        defaults = self.value([function.__defaults__, function.__kwdefaults__])
        return ["function", name, closure, source, defaults]

    def _class(self, cls: type) -> Any:
        name = f"{modules.label(cls.__module__)}:{cls.__qualname__}"
        if not self.follows(cls.__module__):
            return ["class", name]
        try:
            source = inspect.getsource(cls)
        except (OSError, TypeError):
            source = ""  # as collections.namedtuple makes them
        attributes = [[key, self._attribute(attribute, with_source=not source)]
                      for key, attribute in sorted(vars(cls).items())
                      if _counts(key, attribute)]  # fmt: skip
        return ["class", name, source, *map(self.value, cls.__bases__), attributes]

    def _attribute(self, attribute: Any, with_source: bool) -> Any:
        if isinstance(attribute, property):
            found = [attribute.fget, attribute.fset, attribute.fdel]
        else:
            found = [getattr(attribute, "__func__", getattr(attribute, "func", attribute))]
        return [
            self._function(value, with_source)
            if isinstance(value, types.FunctionType)
            else self.value(value)
            for value in found
        ]

    def _refer(self, function: types.FunctionType) -> None:
        """Collects the globals that a function names, those of other modules included."""
        names = function.__globals__
        module = sys.modules.get(names.get("__name__", ""))
        if module is None or vars(module) is not names:
            raise _OpaqueError(f"the function {function.__qualname__}, of no imported module")
        loaded, named, imported = _names(function.__code__)
        for name in loaded & names.keys():
            self.references.add((names["__name__"], name))
            self._reach(names[name], named, set())
        for name, wanted, level in imported:
            if level or self.follows(name.partition(".")[0]):
                try:
                    found = __import__(name, names, None, wanted, level)
                except ImportError:
                    continue  # as the function will find too
                self._reach(found, named, set())

    def _reach(self, module: Any, named: set[str], seen: set[str]) -> None:
        """Collects the attributes of a module of the user's, and of modules in it."""
        if not isinstance(module, types.ModuleType) or module.__name__ in seen:
            return
        seen.add(module.__name__)
        if self.follows(module.__name__):
            for name in named & vars(module).keys():
                self.references.add((module.__name__, name))
                self._reach(vars(module)[name], named, seen)


def _names(code: types.CodeType) -> tuple[set[str], set[str], list[tuple[str, Any, int]]]:
    """The globals that code loads, all names in it, and (module, names, level) of its imports."""
    loaded, named, imported = set(), set(code.co_names), []
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    for number, step in enumerate(steps):
        if step.opname in _LOADS:
            loaded.add(step.argval)
        elif step.opname == "IMPORT_NAME":
            imported.append((step.argval, steps[number - 1].argval, steps[number - 2].argval))
    for inner in code.co_consts:  # lambdas, comprehensions and functions inside
        if isinstance(inner, types.CodeType):
            more = _names(inner)
            loaded, named, imported = loaded | more[0], named | more[1], imported + more[2]
    return loaded, named, imported


def _source(code: types.CodeType) -> str:
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        raise _OpaqueError(f"the function {code.co_qualname}, which has no source") from None


def _is_held(function: types.FunctionType) -> bool:
    """Whether its module holds a function under its name, as an import would find it."""
    found: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function


def _is_empty(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return True
    return False


def _counts(name: str, attribute: Any) -> bool:
    """Whether an attribute of a class is code or data, rather than what Python notes of it."""
    if isinstance(attribute, _DESCRIPTORS) or name == "_abc_impl":
        return False
    return not (name.startswith("__") and name.endswith("__")) or hasattr(attribute, "__code__")
