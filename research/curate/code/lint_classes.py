"""What pylint says of classes: attributes, methods and what they override."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from research.curate.code.class_facts import (
    DEFINING,
    ClassFacts,
    Method,
    ModuleFacts,
    attribute_targets,
    classes,
    imported,
    method_of,
    standard_module,
)
from research.curate.code.lint_lines import Message
from research.curate.code.lint_names import DUMMY
from research.curate.code.syntax_tree import FUNCTIONS, Tree, lookup
from research.curate.code.tree_facts import (
    handles,
    is_type_checking,
    last_name,
    method_kind,
    places,
    without_docstring,
)

# _asdict and its like of namedtuple, and those pylint's default names


def check_classes(tree: Tree) -> Iterator[Message]:
    """Messages about classes and the attributes of objects."""
    yield from _redefinitions(tree)
    yield from _module_members(tree)
    for node, facts in classes(tree).items():
        yield from _bases(node)
        yield from _outside_init(tree, node, facts)
        yield from _first_arguments(tree, node, facts)
        yield from _overriding(tree, node, facts)
        yield from _members(tree, node, facts)
        yield from _uninitialised(tree, node, facts)
    for node in tree.of(ast.Call):
        if last_name(node.func) == "super" and len(node.args) == 2 and not node.keywords:
            first = node.args[0]
            scope = tree.scope[node]
            if (
                scope.is_function
                and scope.parent.node.__class__ is ast.ClassDef
                and (
                    first.__class__ is ast.Name
                    and first.id == scope.parent.node.name
                    and getattr(node.args[1], "id", "") == "self"
                )
            ):
                yield "super-with-arguments", node.lineno


def _redefinitions(tree: Tree) -> Iterator[Message]:
    """Functions and classes that take the place of what had their name."""
    for scope in tree.scopes:
        if isinstance(scope.node, ast.Lambda):
            continue
        for name, nodes in scope.bound.items():
            if len(nodes) < 2 or (name.startswith("_") and name.strip("_") == ""):
                continue
            first = next((one for one in nodes if not _is_stub(one) and
                          tree.parent.get(one).__class__ is not ast.AnnAssign), None)  # fmt: skip
            deleted = [
                use.lineno for use in scope.used.get(name, ()) if isinstance(use.ctx, ast.Del)
            ]
            for node in nodes[1:]:
                if not isinstance(node, (*FUNCTIONS, ast.ClassDef)) or node is first:
                    continue
                if first is None or _is_stub(node) or _exclusive(tree, first, node):
                    continue
                if any(isinstance(one, ast.Attribute) and getattr(one.value, "id", "") == name
                       for one in node.decorator_list):  # fmt: skip
                    continue
                if any(last_name(one) == "register" for one in node.decorator_list):
                    continue
                holder = tree.parent[node]
                if DUMMY.match(name) or (
                    isinstance(holder, ast.If)
                    and (
                        last_name(holder.test) == "TYPE_CHECKING"
                        or any(getattr(inner, "id", "") == name for inner in ast.walk(holder.test))
                    )
                ):
                    continue
                if any(first.lineno < line < node.lineno for line in deleted):
                    continue
                yield "function-redefined", node.lineno


def _is_stub(node: ast.AST) -> bool:
    """Whether it is there for type checkers: typing's `overload`."""
    return any(last_name(one) == "overload" and not isinstance(one, ast.Call)
               for one in getattr(node, "decorator_list", ()))  # fmt: skip


def _exclusive(tree: Tree, first: ast.AST, second: ast.AST) -> bool:
    """Whether two nodes stand in branches of which one at most is taken."""
    branches: dict[ast.AST, str] = {}
    node: ast.AST | None = first
    while node is not None:
        above = tree.parent.get(node)
        branches[above] = _branch(tree, above, node)
        node = above
    node = second
    while node is not None:
        above = tree.parent.get(node)
        if above in branches:
            return branches[above] != _branch(tree, above, node) and bool(branches[above])
        node = above
    return False


def _branch(tree: Tree, above: Any, node: ast.AST) -> str:
    if isinstance(above, ast.If):
        field = places(tree)[node][0] if node in places(tree) else ""
        return "else" if field == "orelse" else "if"
    if isinstance(above, ast.Try):
        field, number, _ = places(tree)[node]
        return f"handler {number}" if field == "handlers" else "try"
    return ""


def _bases(node: ast.ClassDef) -> Iterator[Message]:
    for base in node.bases:
        if base.__class__ is ast.Name and base.id == "object":
            yield "useless-object-inheritance", node.lineno


def _outside_init(tree: Tree, node: ast.ClassDef, facts: ClassFacts) -> Iterator[Message]:
    if node.name.lower().endswith("mixin"):
        return
    family = [facts, *facts.ancestors()]
    called = set(DEFINING).union(*(one.calls for one in family))
    known = facts.names.union(*(one.initialised | one.names for one in family))
    for one in family:
        for method, names in one.setters.items():
            if method in called:
                known |= names
    for name, targets in attribute_targets(tree).get(node, {}).items():
        targets = [target for target in targets
                   if tree.parent[target].__class__ is not ast.AugAssign]  # fmt: skip
        if name == "__dict__" or name in known:
            continue
        methods = [method_of(tree, target) for target in targets]
        decorators = [one for method in methods if method for one in method.decorator_list]
        if any(last_name(decorator) == "setter" for decorator in decorators):
            continue
        for target in targets:
            yield "attribute-defined-outside-init", target.lineno


def _first_arguments(tree: Tree, owner: ast.ClassDef, facts: ClassFacts) -> Iterator[Message]:
    meta = facts.is_metaclass
    for child in owner.body:
        if not isinstance(child, FUNCTIONS):
            continue
        kind = method_kind(tree, child)
        arguments = [*child.args.posonlyargs, *child.args.args]
        if kind == "staticmethod":
            if arguments and arguments[0].arg in ("self", "cls", "mcs"):
                yield "bad-staticmethod-argument", child.lineno
            continue
        if not arguments:
            if child.args.vararg is None and not any(
                one.__class__ is not ast.Name for one in child.decorator_list
            ):
                yield "no-method-argument", child.lineno
            continue
        first = arguments[0].arg
        if meta:
            if child.name == "__new__":
                if first not in ("cls", "mcs", "metacls", "mcls") or first != "mcs":
                    yield "bad-mcs-classmethod-argument", child.lineno
            elif kind == "method" and first != "cls" and not first.startswith("_"):
                yield "bad-mcs-method-argument", child.lineno
            continue
        if kind == "classmethod":
            if first not in ("cls", "mcs") and not first.startswith("_"):
                yield "bad-classmethod-argument", child.lineno
        elif first != "self" and not first.startswith("_"):
            yield "no-self-argument", child.lineno


def _overriding(tree: Tree, node: ast.ClassDef, facts: ClassFacts) -> Iterator[Message]:
    """Methods against those they override."""
    ancestors = list(facts.ancestors())
    lines = {child.name: child for child in node.body if isinstance(child, FUNCTIONS)}
    for name, method in facts.methods.items():
        if name.startswith("__"):
            continue
        other = facts.overridden(name)
        if other is not None and other.kind == method.kind and other.plain and method.plain:
            yield from _signature(method, other, lines[name].lineno)
        if other is not None and _only_delegates(lines[name]) and method == other:
            yield "useless-parent-delegation", lines[name].lineno
    complete = all(one.complete for one in (facts, *ancestors))
    if ancestors and complete and not any(method.abstract for method in facts.methods.values()):
        defined = set(facts.names)
        for one in ancestors:
            for name, method in one.methods.items():
                if name not in defined and method.abstract:
                    yield "abstract-method", node.lineno
            defined |= one.names


def _signature(mine: Method, theirs: Method, line: int) -> Iterator[Message]:
    if mine.variadic and mine.double_variadic:
        return
    own, old = mine.positional, theirs.positional
    differs = (
        (len(own) < len(old) and not mine.variadic)
        or mine.needed > len(old)
        or (theirs.keyword - mine.keyword - set(own) and not mine.double_variadic)
        or mine.keyword_needed - theirs.keyword
        or (theirs.variadic and not mine.variadic)
        or (theirs.double_variadic and not mine.double_variadic)
    )
    if differs:
        yield "arguments-differ", line
    elif any(a != b and not a.startswith(("_", "unused_")) and not b.startswith("_")
             for a, b in zip(own, old, strict=False)):  # fmt: skip
        yield "arguments-renamed", line


def _only_delegates(method: Any) -> bool:
    """Whether a method does nothing but call that of the parent with its own arguments."""
    body = without_docstring(method.body)
    if len(body) != 1 or method.decorator_list or body[0].__class__ not in (ast.Return, ast.Expr):
        return False
    call = body[0].value
    if call.__class__ is not ast.Call or call.func.__class__ is not ast.Attribute or call.keywords:
        return False
    parent = call.func.value
    arguments = method.args
    own = [one.arg for one in (*arguments.posonlyargs, *arguments.args)][1:]
    return (
        call.func.attr == method.name
        and parent.__class__ is ast.Call
        and last_name(parent.func) == "super"
        and own == [getattr(one, "id", None) for one in call.args]
        and not (arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.defaults)
    )


def _members(tree: Tree, node: ast.ClassDef, facts: ClassFacts) -> Iterator[Message]:
    """Uses of attributes that no class of a wholly known family has."""
    if node.decorator_list or facts.is_metaclass or node.name.lower().endswith("mixin"):
        return
    family = [facts, *facts.ancestors()]
    if not all(one.complete for one in family):
        return
    known = _OBJECT.union(*(one.attributes | one.names for one in family))
    if {"__getattr__", "__getattribute__"} & (known - _OBJECT):
        return
    for method in node.body:
        if not isinstance(method, FUNCTIONS) or method_kind(tree, method) != "method":
            continue
        first = (*method.args.posonlyargs, *method.args.args)[:1]
        for use in tree.inner[method].used.get(first[0].arg, ()) if first else ():
            above = tree.parent[use]
            if (
                above.__class__ is ast.Attribute
                and above.ctx.__class__ is ast.Load
                and above.attr not in known
                and not handles(tree, above, "AttributeError")
                and not _guarded(tree, above)
            ):
                yield "no-member", above.lineno


def _module_members(tree: Tree) -> Iterator[Message]:
    """Uses of attributes that a module of the standard library does not have."""
    known: dict[str, ModuleFacts | None] = {}
    for statement in tree.of(ast.Import):
        for alias in statement.names:
            name = alias.asname or alias.name
            origin = imported(tree, name)
            facts = standard_module(origin[0]) if origin else None
            if facts is not None and facts.complete:
                known[name] = facts
    for scope in tree.scopes if known else ():
        for name in scope.used.keys() & known.keys():
            if lookup(scope, name) is not tree.module:
                continue
            for use in scope.used[name]:
                above = tree.parent[use]
                if (
                    above.__class__ is ast.Attribute
                    and above.ctx.__class__ is ast.Load
                    and above.attr not in known[name].names
                    and not above.attr.startswith("__")
                    and not handles(tree, above, "AttributeError", "ImportError")
                    and not _guarded(tree, above)
                ):
                    yield "no-member", above.lineno


def _uninitialised(tree: Tree, node: ast.ClassDef, facts: ClassFacts) -> Iterator[Message]:
    """`__init__` methods that leave out those of the bases."""
    own = next((child for child in node.body
                if isinstance(child, FUNCTIONS) and child.name == "__init__"), None)  # fmt: skip
    if own is None:
        return
    called = {getattr(inner.func.value, "id", getattr(inner.func.value, "attr", "")) or "super"
              for inner in ast.walk(own)
              if inner.__class__ is ast.Call and inner.func.__class__ is ast.Attribute
              and inner.func.attr == "__init__"}  # fmt: skip
    if "super" in called:
        return
    for base, known in zip(node.bases, facts.bases, strict=False):
        method = known.methods.get("__init__") or known.overridden("__init__")
        if (
            len(facts.bases) == len(node.bases)
            and method is not None
            and not method.abstract
            and (last_name(base) not in called)
        ):
            yield "super-init-not-called", own.lineno


def _guarded(tree: Tree, node: ast.Attribute) -> bool:
    above = tree.parent.get(node)
    while above is not None:
        if isinstance(above, ast.If | ast.IfExp | ast.BoolOp) and any(
            last_name(inner) == "hasattr" for inner in ast.walk(getattr(above, "test", above))
            if inner.__class__ is ast.Call
        ):  # fmt: skip
            return True
        above = tree.parent.get(above)
    return is_type_checking(tree, node)


_OBJECT = frozenset(dir(object)) | {"__dict__", "__module__", "__weakref__"}
