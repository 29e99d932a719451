"""What pylint says of names: unused, undefined, hiding others."""

from __future__ import annotations

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from research.curate.code.builtin_names import BUILTINS, MODULE_NAMES
from research.curate.code.class_facts import classes, standard_module, wildcard_names
from research.curate.code.lint_lines import Message
from research.curate.code.syntax_tree import FUNCTIONS, Scope, Tree, lookup
from research.curate.code.tree_facts import (
    handles,
    in_fallback,
    is_abstract,
    is_type_checking,
    last_name,
    method_kind,
    without_docstring,
)

DUMMY = re.compile(r"_+$|(_[a-zA-Z0-9_]*[a-zA-Z0-9]+?$)|dummy|ignored_|unused_")
_IGNORED_ARGUMENT = re.compile(r"_.*|ignored_|unused_")
_SPECIAL = re.compile(r"__.+__$")
_BUILTIN_MODULES = {"six.moves", "past.builtins", "future.builtins", "builtins", "io"}
_BAD_NAMES = {"foo", "bar", "baz", "toto", "tutu", "tata"}
SPECIAL_METHOD = re.compile(r"__[a-z]+[a-z_]*__$")


def check_names(tree: Tree) -> Iterator[Message]:
    """Messages about names."""
    exported = _exported(tree)
    yield from _unused_imports(tree, exported)
    yield from _undefined(tree)
    yield from _missing_names(tree)
    brought = wildcard_names(tree)
    for name in (exported or ()) if brought is not None else ():
        if name not in tree.module.bound and name not in brought:
            yield "undefined-all-variable", 1
    for name, nodes in tree.module.bound.items():
        if name in BUILTINS and name != "__doc__" and not _from_builtins(tree, nodes[0]):
            yield "redefined-builtin", nodes[0].lineno
    yield from _rebound_arguments(tree)
    for scope in tree.scopes:
        if scope.is_function:
            yield from _hiding(tree, scope)
            yield from _unused_locals(tree, scope)
        for name, nodes in scope.bound.items():
            if name in _BAD_NAMES:
                yield from (("disallowed-name", node.lineno) for node in nodes
                            if not isinstance(node, ast.alias))  # fmt: skip


def _exported(tree: Tree) -> list[str] | None:
    """The items of `__all__`, where they are plain strings."""
    found: list[str] | None = None
    for node in tree.module.bound.get("__all__", ()):
        parent = tree.parent.get(node)
        value = getattr(parent, "value", None)
        if isinstance(value, ast.List | ast.Tuple):
            words = [item.value for item in value.elts
                     if item.__class__ is ast.Constant and item.value.__class__ is str]  # fmt: skip
            found = [*(found or ()), *words]
    return found


def _unused_imports(tree: Tree, exported: list[str] | None) -> Iterator[Message]:
    module = tree.module
    used = module.consumed | set(exported or ()) | tree.annotation_names
    for name, nodes in module.bound.items():
        if name in used:
            continue
        for node in nodes:
            if not isinstance(node, ast.alias):
                continue
            statement = tree.parent[node]
            if tree.scope[statement] is not module:
                continue
            if isinstance(statement, ast.ImportFrom) and (
                statement.module == "__future__" or _SPECIAL.match(node.name)
            ):
                continue
            if node.asname and DUMMY.match(node.asname):
                continue
            if not is_type_checking(tree, statement):
                yield "unused-import", statement.lineno


def _undefined(tree: Tree) -> Iterator[Message]:
    known = wildcard_names(tree)
    if known is None:
        return
    for node in tree.undefined:
        name = node.id
        if name in BUILTINS or name in MODULE_NAMES or name in known:
            continue
        if tree.scope[node].node.__class__ is ast.ClassDef and name in (
            "__module__", "__qualname__",
        ):  # fmt: skip
            continue
        if name == "__class__" or handles(tree, node, "NameError"):
            continue
        yield "undefined-variable", node.lineno


def _missing_names(tree: Tree) -> Iterator[Message]:
    """Names that a module of the standard library does not have."""
    for node in tree.of(ast.ImportFrom):
        facts = standard_module(node.module) if node.module and not node.level else None
        near = node.level == 1 and not node.module
        if (not near and (facts is None or not facts.complete)) or in_fallback(tree, node):
            continue
        for alias in node.names:
            if alias.name != "*" and (near or alias.name not in facts.names):
                yield "no-name-in-module", node.lineno


def _from_builtins(tree: Tree, node: ast.AST) -> bool:
    statement = tree.parent.get(node)
    return isinstance(statement, ast.ImportFrom) and statement.module in _BUILTIN_MODULES


@functools.lru_cache(maxsize=2)
def _type_checking_names(tree: Tree) -> set[str]:
    """Names of the module that are bound below `if TYPE_CHECKING:`."""
    return {name for name, nodes in tree.module.bound.items()
            if any(is_type_checking(tree, node) for node in nodes)}  # fmt: skip


def _hiding(tree: Tree, scope: Scope) -> Iterator[Message]:
    """Names of a function that hide those of the module or builtins."""
    outer, guarded = tree.module.bound, _type_checking_names(tree)
    for name, nodes in scope.bound.items():
        first = nodes[0]
        if name in outer:
            definition = outer[name][0]
            if isinstance(definition, ast.ExceptHandler):
                continue
            statement = tree.parent.get(definition)
            if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                continue
            if name in guarded:
                continue
            pattern = _IGNORED_ARGUMENT if isinstance(first, ast.arg) else DUMMY
            if not pattern.match(name):
                yield "redefined-outer-name", first.lineno
        elif name in BUILTINS and not _from_builtins(tree, first):
            if isinstance(first, ast.arg) and _overrides(tree, scope.node, name):
                continue
            yield "redefined-builtin", first.lineno


def _unused_locals(tree: Tree, scope: Scope) -> Iterator[Message]:
    function: Any = scope.node
    body = without_docstring(function.body)
    if len(body) == 1 and body[0].__class__ is ast.Raise:
        return
    method = method_kind(tree, function)
    if method and is_abstract(function):
        return
    unused = [name for name in scope.bound if name not in scope.consumed]
    if not unused:
        return
    stub = any(last_name(decorator) == "overload" for decorator in function.decorator_list)
    for name in unused:
        first = scope.bound[name][0]
        if isinstance(first, ast.arg):
            if (
                not _IGNORED_ARGUMENT.match(name)
                and not stub
                and (
                    name not in tree.annotation_names
                    and _argument_matters(tree, scope, name, method)
                )
            ):
                yield "unused-argument", first.lineno
            continue
        if DUMMY.match(name) or name in tree.annotation_names:
            continue
        if name in _comprehension_targets(tree)[scope]:
            continue
        if isinstance(first, ast.alias):
            yield "unused-import", first.lineno
        elif not (isinstance(first, FUNCTIONS) and first.decorator_list) and not stub:
            yield "unused-variable", first.lineno


def _rebound_arguments(tree: Tree) -> Iterator[Message]:
    """Arguments that a loop, `with` or `except` binds anew."""
    for scope in tree.scopes:
        if not scope.is_function:
            continue
        for name, nodes in scope.bound.items():
            if len(nodes) < 2 or not isinstance(nodes[0], ast.arg) or DUMMY.match(name):
                continue
            for node in nodes[1:]:
                child, above = node, tree.parent.get(node)
                while isinstance(above, ast.Tuple | ast.List | ast.Starred):
                    child, above = above, tree.parent.get(above)
                if (
                    isinstance(node, ast.ExceptHandler)
                    or (isinstance(above, ast.For | ast.AsyncFor) and child is above.target)
                    or (isinstance(above, ast.withitem) and child is above.optional_vars)
                ):
                    yield "redefined-argument-from-local", node.lineno


@functools.lru_cache(maxsize=2)
def _comprehension_targets(tree: Tree) -> dict[Scope, set[str]]:
    """For every scope, the names bound by the comprehensions somewhere in it."""
    found: dict[Scope, set[str]] = defaultdict(set)
    for inner in tree.scopes:
        above = inner.parent if inner.frame() is not inner else None
        while above is not None:
            found[above].update(inner.bound)
            above = above.parent
    return found


def _argument_matters(tree: Tree, scope: Scope, name: str, method: str) -> bool:
    function: Any = scope.node
    if method:
        arguments = [*function.args.posonlyargs, *function.args.args]
        if method != "staticmethod" and arguments and arguments[0].arg == name:
            return False
        if function.name == "__new__" and any(
            isinstance(node, FUNCTIONS) for node in scope.parent.bound.get("__init__", ())
        ):
            return False
        special = SPECIAL_METHOD.match(function.name)
        if special and function.name not in ("__init__", "__new__"):
            return False
        if _overrides(tree, function, name):
            return False
        owner = scope.parent.node
        if any(last_name(base) == "Protocol" for base in getattr(owner, "bases", ())):
            return False
    if function.name.startswith("cb_") or function.name.endswith("_cb"):
        return False
    return not any(
        last_name(decorator) == "register" and _dispatches(tree, decorator)
        for decorator in function.decorator_list
    )


def _dispatches(tree: Tree, decorator: ast.AST) -> bool:
    """Whether `NAME.register` is that of a function with functools' `singledispatch`."""
    attribute = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = getattr(getattr(attribute, "value", None), "id", "")
    home = lookup(tree.scope[decorator], name)
    return home is not None and any(
        last_name(one) in ("singledispatch", "singledispatchmethod")
        for one in getattr(home.bound[name][0], "decorator_list", ())
    )


def _overrides(tree: Tree, function: Any, argument: str) -> bool:
    """Whether a method overrides a known one that has an argument of that name."""
    facts = classes(tree).get(tree.scope[function].node)
    other = facts.overridden(function.name) if facts else None
    return other is not None and argument in (*other.positional, *other.keyword)
