"""What pylint says of sizes: functions and classes with too much in them, and their docstrings.

The limits are pylint's own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from research.curate.code.class_facts import classes
from research.curate.code.lint_lines import Message
from research.curate.code.syntax_tree import FUNCTIONS, Tree
from research.curate.code.tree_facts import LOOPS, TRIES, is_constant, method_kind

MAX_ARGUMENTS, MAX_POSITIONAL, MAX_LOCALS, MAX_RETURNS = 5, 5, 15, 6
MAX_BRANCHES, MAX_STATEMENTS, MAX_NESTED, MAX_CONDITIONS = 12, 50, 5, 5
MAX_ATTRIBUTES, MAX_PUBLIC_METHODS = 7, 20
IGNORED_ARGUMENT = re.compile(r"_.*|ignored_|unused_")


def check_design(tree: Tree) -> Iterator[Message]:
    """Messages about sizes."""
    for function in tree.of(*FUNCTIONS):
        yield from _arguments_and_locals(tree, function)
    yield from _lengths(tree)
    yield from _nesting(tree)
    for test in tree.of(ast.If):
        if test.test.__class__ is ast.BoolOp and _conditions(test.test) > MAX_CONDITIONS:
            yield "too-many-boolean-expressions", test.test.lineno
    for node in tree.of(ast.ClassDef):
        if not node.name.startswith("_"):
            docstring = docstring_of(node)
            if docstring is None:
                yield "missing-class-docstring", node.lineno
            elif not docstring.strip():
                yield "empty-docstring", node.lineno
        methods = [child for child in node.body if isinstance(child, FUNCTIONS)]
        if sum(not name.startswith("_") for name in {m.name for m in methods}) > MAX_PUBLIC_METHODS:
            yield "too-many-public-methods", node.lineno
        if len(classes(tree)[node].attributes) > MAX_ATTRIBUTES:
            yield "too-many-instance-attributes", node.lineno


def docstring_of(node: Any) -> str | None:
    """The docstring of a module, class or function."""
    if node.body and node.body[0].__class__ is ast.Expr:
        value = node.body[0].value
        if value.__class__ is ast.Constant and value.value.__class__ is str:
            return value.value
    return None


def _arguments_and_locals(tree: Tree, function: Any) -> Iterator[Message]:
    arguments = function.args
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if method_kind(tree, function) in ("method", "classmethod"):
        positional = positional[1:]
    keyword = [argument.arg for argument in arguments.kwonlyargs]
    ignored = sum(bool(IGNORED_ARGUMENT.match(name)) for name in positional)
    ignored_keyword = sum(bool(IGNORED_ARGUMENT.match(name)) for name in keyword)
    if len(positional) + len(keyword) - ignored - ignored_keyword > MAX_ARGUMENTS:
        yield "too-many-arguments", function.lineno
    if len(positional) - ignored > MAX_POSITIONAL:
        yield "too-many-positional-arguments", function.lineno
    if arguments.vararg is not None and arguments.defaults:
        yield "keyword-arg-before-vararg", function.lineno
    names = tree.inner[function].bound
    if len(names) - ignored - ignored_keyword - ("_" in names) > MAX_LOCALS:
        yield "too-many-locals", function.lineno


def _lengths(tree: Tree) -> Iterator[Message]:
    """Statements, branches and returns of every function, each counted as pylint does."""
    statements = dict.fromkeys(tree.of(*FUNCTIONS), 1)
    branches = dict.fromkeys(statements, 0)
    returns = dict.fromkeys(statements, 0)
    if not statements:
        return
    for kind, found in tree.nodes.items():
        if not issubclass(kind, (ast.stmt, ast.ExceptHandler)):
            continue
        if kind in FUNCTIONS or kind is ast.ClassDef:
            continue
        for node in found:
            scope = tree.scope[node].frame()
            own = scope.node
            if own is tree.root:
                continue
            weight = split = 0
            if kind is ast.Return:
                if own in returns:
                    returns[own] += 1
                continue
            if kind is ast.If:
                last = node.orelse
                weight = split = 1 + bool(
                    last and not (len(last) == 1 and last[0].__class__ is kind)
                )
            elif kind in LOOPS:
                split = 1 + bool(node.orelse)
            elif kind is ast.Try:
                weight = split = len(node.handlers) + bool(node.orelse) + bool(node.finalbody)
            else:
                if kind is ast.Expr and is_docstring(tree, node):
                    continue
                weight = 1
            if split and own in branches:
                branches[own] += split
            while weight and scope is not None:
                if scope.node in statements:
                    statements[scope.node] += weight
                scope = scope.parent
    for function, count in statements.items():
        if count > MAX_STATEMENTS:
            yield "too-many-statements", function.lineno
        if branches[function] > MAX_BRANCHES:
            yield "too-many-branches", function.lineno
        if returns[function] > MAX_RETURNS:
            yield "too-many-return-statements", function.lineno


def is_docstring(tree: Tree, node: ast.Expr) -> bool:
    holder = tree.parent[node]
    return (
        holder.__class__ in (ast.Module, ast.ClassDef, *FUNCTIONS)
        and holder.body[0] is node
        and is_constant(node.value, str)
    )


def _conditions(test: ast.BoolOp) -> int:
    return sum(_conditions(value) if value.__class__ is ast.BoolOp else 1 for value in test.values)


def _nesting(tree: Tree) -> Iterator[Message]:
    """Blocks in each other, once for every nest in a function."""
    kinds = (*LOOPS, ast.If, ast.With, *TRIES)
    told: set[ast.AST] = set()
    for node in tree.of(*dict.fromkeys(kinds)):
        depth, outer, above = 1, node, tree.parent[node]
        while above.__class__ not in (ast.Module, ast.ClassDef, *FUNCTIONS):
            if above.__class__ in kinds and not (
                above.__class__ is ast.If and above.orelse == [outer]
            ):
                depth += 1
            if above.__class__ in kinds:
                outer = above
            above = tree.parent[above]
        if depth > MAX_NESTED and above.__class__ in FUNCTIONS and outer not in told:
            told.add(outer)
            yield "too-many-nested-blocks", outer.lineno
