"""What pylint says of calls whose function the module defines: wrong arguments."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from research.curate.code.lint_lines import Message
from research.curate.code.syntax_tree import FUNCTIONS, Tree, lookup


def check_calls(tree: Tree) -> Iterator[Message]:
    """Messages about the arguments of calls."""
    for call in tree.of(ast.Call):
        if call.func.__class__ is not ast.Name:
            continue
        if any(isinstance(one, ast.Starred) for one in call.args) or any(
            keyword.arg is None for keyword in call.keywords
        ):
            continue
        home = lookup(tree.scope[call], call.func.id)
        definitions = home.bound[call.func.id] if home else ()
        if len(definitions) != 1 or not isinstance(definitions[0], FUNCTIONS):
            continue
        function: Any = definitions[0]
        if home.node.__class__ is ast.ClassDef or any(
            _is_known(tree, decorator) for decorator in function.decorator_list
        ):
            continue
        yield from _arguments(call, function.args)


def _is_known(tree: Tree, decorator: ast.expr) -> bool:
    """Whether the module defines a decorator, which may change the arguments."""
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    definitions = tree.module.bound.get(getattr(name, "id", ""), ())
    return any(isinstance(one, (*FUNCTIONS, ast.ClassDef)) for one in definitions)


def _arguments(call: ast.Call, wanted: ast.arguments) -> Iterator[Message]:
    positional = [one.arg for one in (*wanted.posonlyargs, *wanted.args)]
    by_name = {one.arg for one in (*wanted.args, *wanted.kwonlyargs)}
    given = {keyword.arg for keyword in call.keywords}
    if len(call.args) > len(positional) and wanted.vararg is None:
        yield "too-many-function-args", call.lineno
    for _ in given - by_name if wanted.kwarg is None else ():
        yield "unexpected-keyword-arg", call.lineno
    needed = positional[: len(positional) - len(wanted.defaults)]
    for name in needed[len(call.args) :]:
        if name not in given:
            yield "no-value-for-parameter", call.lineno
    for one, default in zip(wanted.kwonlyargs, wanted.kw_defaults, strict=True):
        if default is None and one.arg not in given:
            yield "missing-kwoa", call.lineno
