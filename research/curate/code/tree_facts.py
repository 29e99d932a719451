"""What checks ask of a tree again and again: kinds of methods, blocks, guards."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from typing import Any

from research.curate.code.syntax_tree import FUNCTIONS, Tree

TRIES = (ast.Try, getattr(ast, "TryStar", ast.Try))
LOOPS = (ast.For, ast.AsyncFor, ast.While)
BLOCKS = (
    ast.Module, ast.ClassDef, *FUNCTIONS, *LOOPS, ast.If, ast.With, ast.AsyncWith, *TRIES,
    ast.ExceptHandler, ast.match_case,
)  # fmt: skip


def last_name(node: ast.AST | None) -> str:
    """The last word of a dotted name, which may be called or subscripted."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return getattr(node, "attr", getattr(node, "id", ""))


def is_constant(node: ast.AST | None, kind: type | tuple[type, ...]) -> bool:
    """Whether a node is a literal of a type."""
    return node.__class__ is ast.Constant and isinstance(node.value, kind)


def statement_of(tree: Tree, node: ast.AST) -> Any:
    """The statement a node is part of, or the node."""
    while not isinstance(node, ast.stmt | ast.ExceptHandler | ast.Module):
        node = tree.parent[node]
    return node


def method_kind(tree: Tree, function: Any) -> str:
    """'method', 'classmethod', 'staticmethod', or '' of a plain function."""
    scope = tree.scope[function]
    if scope.node.__class__ is not ast.ClassDef:
        return ""
    for decorator in function.decorator_list:
        word = last_name(decorator)
        if word in ("staticmethod", "classmethod", "abstractclassmethod", "abstractstaticmethod"):
            return "classmethod" if "class" in word else "staticmethod"
    if function.name in ("__new__", "__init_subclass__", "__class_getitem__"):
        return "classmethod"
    return "method"


def without_docstring(body: list[Any]) -> list[Any]:
    """Statements but a docstring."""
    if body and body[0].__class__ is ast.Expr and is_constant(body[0].value, str):
        return body[1:]
    return body


def is_abstract(function: Any, empty_too: bool = True) -> bool:
    """Whether a method is there to be overridden.

    Args:
      function: the method.
      empty_too: one with `pass` or nothing but a docstring counts.
    """
    if any(last_name(node).startswith("abstract") for node in function.decorator_list):
        return True
    body = without_docstring(function.body)
    if not body:
        return empty_too
    first = body[0]
    if first.__class__ is ast.Raise:
        return last_name(first.exc) == "NotImplementedError"
    return empty_too and first.__class__ is ast.Pass


def is_type_checking(tree: Tree, node: ast.AST) -> bool:
    """Whether a node stands below `if TYPE_CHECKING:`."""
    if not tree.of(ast.If):
        return False
    above = tree.parent.get(node)
    while above is not None:
        if above.__class__ is ast.If and last_name(above.test) == "TYPE_CHECKING":
            return True
        above = tree.parent.get(above)
    return False


@functools.lru_cache(maxsize=2)
def places(tree: Tree) -> dict[ast.AST, tuple[str, int, list[Any]]]:
    """For every statement and handler: the field of its parent, its place there, and the field."""
    return {
        child: (field, number, found)
        for block in blocks(tree)
        for field in ("body", "orelse", "finalbody", "handlers")
        for found in [getattr(block, field, [])]
        for number, child in enumerate(found)
    }


def handles(tree: Tree, node: ast.AST, *errors: str) -> bool:
    """Whether a node stands in a `try` that catches one of some exceptions, or all."""
    if not any(tree.nodes[kind] for kind in TRIES):
        return False
    inner, above = node, tree.parent.get(node)
    while above is not None:
        if above.__class__ in TRIES and places(tree)[inner][0] == "body":
            for handler in above.handlers:
                kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
                if handler.type is None or any(last_name(kind) in errors for kind in kinds):
                    return True
        inner, above = above, tree.parent.get(above)
    return False


def in_fallback(tree: Tree, node: ast.AST) -> bool:
    """Whether an import may fail: in a `try` for ImportError, or in what is done instead."""
    if handles(tree, node, "ImportError", "ModuleNotFoundError"):
        return True
    above = tree.parent.get(node)
    return (above.__class__ is ast.ExceptHandler and last_name(above.type) in (
        "ImportError", "ModuleNotFoundError",
    )) or is_type_checking(tree, node)  # fmt: skip


def owner_of(tree: Tree, attribute: ast.Attribute, kind: str = "method") -> ast.ClassDef | None:
    """The class of whose method (of a kind) the first argument is the object, as in `self.x`."""
    method = method_around(tree, attribute, attribute.value.id)
    if method is None or method_kind(tree, method) != kind:
        return None
    return tree.scope[method].node


def method_around(tree: Tree, node: ast.AST, name: str) -> Any:
    """The method around a node that has `name` as its first argument, or None."""
    scope = tree.scope[node]
    while scope is not None:
        if name in scope.bound:
            if not scope.is_function or tree.scope[scope.node].node.__class__ is not ast.ClassDef:
                return None
            arguments = scope.node.args
            first = (*arguments.posonlyargs, *arguments.args)[:1]
            return scope.node if first and first[0].arg == name else None
        scope = scope.parent
    return None


def blocks(tree: Tree) -> Iterator[Any]:
    """Everything that has statements in it."""
    yield tree.root
    for kind in dict.fromkeys(BLOCKS[1:]):
        yield from tree.nodes[kind]
