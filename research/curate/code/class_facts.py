"""Classes, their methods and attributes, and those of their ancestors.

Ancestors are looked up in the module, among the builtins, and in the standard library: in the
source of the Python that runs this, which is parsed and never imported, as pylint does it.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import functools
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from research.curate.code.syntax_tree import FUNCTIONS, CannotParse, Scope, Tree, lookup, parse
from research.curate.code.tree_facts import (
    is_abstract,
    last_name,
    method_around,
    method_kind,
    owner_of,
)

# methods in which an attribute may be set for the first time
DEFINING = ("__init__", "__new__", "setUp", "asyncSetUp", "__post_init__")
_MAX_ANCESTORS = 64
_MAX_DEFINITIONS = 8  # of a class, under one name
_MAX_DEPTH = 12  # modules that import from modules
_DYNAMIC = {"globals", "vars", "setattr", "modules", "global_enum", "_convert", "_convert_"}
_PROPERTIES = {"property", "cached_property", "setter", "getter", "deleter", "overload"}


@dataclasses.dataclass(frozen=True, slots=True)
class Method:
    """The signature of a method, without its first argument unless it is static.

    Attributes:
      kind: 'method', 'classmethod' or 'staticmethod'.
      positional: names of its arguments, in order.
      needed: how many of them have no default.
      keyword: names of keyword-only arguments.
      keyword_needed: those without a default.
      variadic: whether it takes any further positional arguments.
      double_variadic: whether it takes any further keyword arguments.
      abstract: whether it is there to be overridden: by its decorator, or raises
        NotImplementedError.
      plain: whether calls reach it as it stands: no property, no overload.
    """

    kind: str
    positional: tuple[str, ...]
    needed: int
    keyword: frozenset[str]
    keyword_needed: frozenset[str]
    variadic: bool
    double_variadic: bool
    abstract: bool
    plain: bool


@dataclasses.dataclass(frozen=True)
class ClassFacts:
    """What is known of a class.

    Attributes:
      bases: those of its bases that are known.
      complete: whether all ancestors are known.
      names: bound in its body.
      attributes: of its instances, set in its methods.
      initialised: those set in `__init__` and its like.
      setters: for each other method that sets attributes, which.
      calls: methods that `__init__` and its like call on the object.
      methods: by name; the last of a name.
    """

    bases: tuple[ClassFacts, ...]
    complete: bool
    names: frozenset[str]
    attributes: frozenset[str] = frozenset()
    initialised: frozenset[str] = frozenset()
    setters: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    calls: frozenset[str] = frozenset()
    methods: Mapping[str, Method] = dataclasses.field(default_factory=dict)

    @property
    def is_metaclass(self) -> bool:
        """Whether it descends from `type`."""
        return any("mro" in one.names for one in self.ancestors())

    def ancestors(self) -> Iterator[ClassFacts]:
        """Known classes it descends from, the nearest first, some dozens at most."""
        seen = {id(self)}
        waiting = list(self.bases)
        while waiting and len(seen) <= _MAX_ANCESTORS:
            facts = waiting.pop(0)
            if id(facts) not in seen:
                seen.add(id(facts))
                yield facts
                waiting += facts.bases

    def overridden(self, method: str) -> Method | None:
        """The method of an ancestor that one of that name overrides."""
        return next(
            (one.methods[method] for one in self.ancestors() if method in one.methods), None
        )


@dataclasses.dataclass(frozen=True)
class ModuleFacts:
    """What is known of a module of the standard library.

    Attributes:
      names: bound at its top, or modules in it.
      complete: whether it has no other names.
      readable: whether all names that its text binds are known, which those of `import *` from a
        module written in C are not.
      exported: `__all__`, or all names without an underscore.
      classes: at its top.
    """

    names: frozenset[str]
    complete: bool
    readable: bool
    exported: frozenset[str]
    classes: Mapping[str, ClassFacts]


@functools.lru_cache(maxsize=2)
def classes(tree: Tree) -> dict[ast.ClassDef, ClassFacts]:
    """The facts of every class of a module."""
    found: dict[ast.ClassDef, ClassFacts] = {}
    targets = attribute_targets(tree)
    outside = _set_on_classes(tree)
    for node in sorted(tree.of(ast.ClassDef), key=lambda node: node.lineno):
        bases = [_base(tree, base, found) for base in node.bases]
        methods = {child.name: child for child in node.body if isinstance(child, FUNCTIONS)}
        setters: dict[str, set[str]] = {}
        for name, attributes in targets.get(node, {}).items():
            for attribute in attributes:
                if (method := method_of(tree, attribute)) is not None:
                    setters.setdefault(method.name, set()).add(name)
        found[node] = ClassFacts(
            bases=tuple(base for base in bases if base is not None),
            complete=None not in bases and not node.keywords,
            names=frozenset(tree.inner[node].bound) | outside.get(node, set()),
            attributes=frozenset(targets.get(node, ())),
            initialised=frozenset().union(*(setters.get(name, ()) for name in DEFINING)),
            setters={name: frozenset(names) for name, names in setters.items()},
            calls=frozenset().union(
                *(_calls(methods[name]) for name in DEFINING if name in methods)
            ),
            methods={name: _signature(tree, method) for name, method in methods.items()},
        )
    return found


@functools.lru_cache(maxsize=2)
def attribute_targets(tree: Tree) -> dict[ast.ClassDef, dict[str, list[ast.Attribute]]]:
    """For every class, the places where `self.NAME` is set, or that of a known instance."""
    found: dict[ast.ClassDef, dict[str, list[ast.Attribute]]] = {}
    for node in tree.of(ast.Attribute):
        if node.ctx.__class__ is ast.Store and node.value.__class__ is ast.Name:
            owner = owner_of(tree, node) or _class_of(tree, node.value)
            if owner is not None:
                found.setdefault(owner, {}).setdefault(node.attr, []).append(node)
    return found


def _set_on_classes(tree: Tree) -> dict[ast.AST, set[str]]:
    """Names that `cls.NAME = …` and `CLASS.NAME = …` give to classes."""
    found: dict[ast.AST, set[str]] = {}
    for node in tree.of(ast.Attribute):
        if node.ctx.__class__ is ast.Store and node.value.__class__ is ast.Name:
            owner = owner_of(tree, node, "classmethod")
            if owner is None:
                owner = next(iter(tree.module.bound.get(node.value.id, ())), None)
            if isinstance(owner, ast.ClassDef):
                found.setdefault(owner, set()).add(node.attr)
    return found


def method_of(tree: Tree, node: ast.AST) -> Any:
    """The innermost function (no lambda) around a node, or None."""
    scope: Scope | None = tree.scope[node]
    while scope is not None and not scope.is_function:
        scope = scope.parent
    return scope.node if scope else None


def _class_of(tree: Tree, name: ast.Name) -> ast.ClassDef | None:
    """The class of the module of which a name is an instance: bound once, by `NAME = CLASS(…)`
    or, in a class method, `NAME = ….__new__(cls)`."""
    home = lookup(tree.scope[name], name.id)
    targets = home.bound[name.id] if home else ()
    if len(targets) != 1:
        return None
    call = getattr(tree.parent.get(targets[0]), "value", None)
    if call.__class__ is ast.Call and last_name(call.func) == "__new__" and call.args:
        first = call.args[0].id if call.args[0].__class__ is ast.Name else ""
        method = method_around(tree, call, first)
        made = method is not None and method_kind(tree, method) == "classmethod"
        return tree.scope[method].node if made else None
    if call.__class__ is not ast.Call or call.func.__class__ is not ast.Name:
        return None
    where = lookup(home, call.func.id)
    definitions = where.bound[call.func.id] if where else ()
    if len(definitions) == 1 and isinstance(definitions[0], ast.ClassDef):
        return definitions[0]
    return None


def _signature(tree: Tree, method: Any) -> Method:
    kind = method_kind(tree, method)
    arguments = method.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    if kind != "staticmethod":
        names = names[1:]
    return Method(
        kind,
        tuple(names),
        max(0, len(names) - len(arguments.defaults)),
        frozenset(one.arg for one in arguments.kwonlyargs),
        frozenset(one.arg for one, default
                  in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
                  if default is None),
        arguments.vararg is not None,
        arguments.kwarg is not None,
        is_abstract(method, empty_too=False),
        not any(last_name(one) in _PROPERTIES for one in method.decorator_list),
    )  # fmt: skip


def _calls(method: Any) -> set[str]:
    """Names of the methods that a method calls on its own object."""
    first = (*method.args.posonlyargs, *method.args.args)[:1]
    if not first:
        return set()
    return {
        node.func.attr
        for node in ast.walk(method)
        if node.__class__ is ast.Call
        and node.func.__class__ is ast.Attribute
        and node.func.value.__class__ is ast.Name
        and node.func.value.id == first[0].arg
    }


def _base(
    tree: Tree, base: ast.expr, found: Mapping[ast.ClassDef, ClassFacts]
) -> ClassFacts | None:
    """The facts of a base class, or None."""
    if isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name):
        origin = imported(tree, base.value.id)
        facts = standard_module(".".join(filter(None, origin))) if origin else None
        return facts.classes.get(base.attr) if facts else None
    if not isinstance(base, ast.Name):
        return None
    definitions = tree.module.bound.get(base.id)
    if definitions is None:
        return _builtin_class(base.id)
    if len(definitions) > _MAX_DEFINITIONS:
        return None
    if any(isinstance(one, ast.alias) for one in definitions):
        origin = imported(tree, base.id)
        facts = standard_module(origin[0]) if origin and origin[1] else None
        return facts.classes.get(origin[1]) if facts else None
    known = [found[one] for one in definitions if one in found]
    return known[-1] if len(known) == len(definitions) else None


def imported(tree: Tree, name: str) -> tuple[str, str] | None:
    """Module and name (empty of a module) that a name of the module stands for."""
    definitions = tree.module.bound.get(name, ())
    if len(definitions) != 1 or not isinstance(definitions[0], ast.alias):
        return None
    alias, statement = definitions[0], tree.parent[definitions[0]]
    if isinstance(statement, ast.Import):
        return (alias.name, "") if alias.asname or "." not in alias.name else None
    return (statement.module or "", alias.name) if not statement.level else None


@functools.cache
def _builtin_class(name: str) -> ClassFacts | None:
    kind = getattr(builtins, name, None)
    if not isinstance(kind, type):
        return None
    return ClassFacts((), True, frozenset(dir(kind)) - (frozenset() if name == "object" else
                                                        frozenset(["__init__"])))  # fmt: skip


def standard_module(name: str) -> ModuleFacts | None:
    """What is known of a module of the standard library that is written in Python, or None."""
    return _standard_module(name, 0)


@functools.cache
def _source(name: str) -> Path | None:
    if name.partition(".")[0] not in sys.stdlib_module_names:
        return None
    path = Path(sysconfig.get_path("stdlib"), *name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


_MODULES: dict[str, ModuleFacts | None] = {}


def _standard_module(name: str, depth: int) -> ModuleFacts | None:
    if name in _MODULES:
        return _MODULES[name]
    path = _source(name)
    if path is None or depth > _MAX_DEPTH:
        return None
    _MODULES[name] = None  # for modules that import each other
    try:
        tree = parse(path.read_text("utf-8"))
    except (OSError, UnicodeError, CannotParse):
        return None
    names = set(tree.module.bound)
    if path.name == "__init__.py":
        names |= {file.stem for file in path.parent.glob("*.py")}
        names |= {folder.name for folder in path.parent.iterdir() if folder.is_dir()}
    # names that come into being otherwise, such as members of enumerations
    complete = not _DYNAMIC & {
        getattr(node, "id", getattr(node, "attr", "")) for node in tree.of(ast.Name, ast.Attribute)
    } and "__getattr__" not in names  # fmt: skip
    readable = True
    for node in tree.of(ast.ImportFrom):
        if node.names[0].name == "*":
            other = None if node.level else _standard_module(node.module or "", depth + 1)
            names |= other.exported if other else frozenset()
            readable = readable and other is not None and other.readable
    exported = {name for name in names if not name.startswith("_")}
    # what a module written in C puts in their place, at the end of the file, is not known
    native = [node.lineno for node in tree.of(ast.ImportFrom) if node.names[0].name == "*"
              and not node.level and _source(node.module or "") is None]  # fmt: skip
    replaced = max(native, default=0)
    top = {node.name: facts for node, facts in classes(tree).items()
           if tree.scope[node] is tree.module and node.lineno > replaced}  # fmt: skip
    for alias_name in tree.module.bound:  # classes that are imported to be imported from here
        origin = imported(tree, alias_name)
        if origin and origin[1] and origin[0] != name:
            other = _standard_module(origin[0], depth + 1)
            if other and origin[1] in other.classes:
                top.setdefault(alias_name, other.classes[origin[1]])
    facts = ModuleFacts(frozenset(names), complete and readable, readable, frozenset(exported), top)
    _MODULES[name] = facts
    return facts


def wildcard_names(tree: Tree) -> frozenset[str] | None:
    """Names that `import *` brings from the standard library; None where they are not known.

    Modules that are not found bring none, as with pylint.
    """
    names: frozenset[str] = frozenset()
    for node in tree.of(ast.ImportFrom):
        if node.names[0].name != "*" or node.level:
            continue
        if (node.module or "").partition(".")[0] not in sys.stdlib_module_names:
            continue
        facts = standard_module(node.module)
        if facts is None or not facts.readable:
            return None
        names |= facts.exported
    return names
