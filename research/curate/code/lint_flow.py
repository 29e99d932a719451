"""What pylint says of statements: imports, branches that need none, handlers, returns."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from research.curate.code.lint_lines import Message
from research.curate.code.syntax_tree import FUNCTIONS, Tree
from research.curate.code.tree_facts import (
    LOOPS,
    TRIES,
    blocks,
    handles,
    is_constant,
    is_type_checking,
    last_name,
    places,
    without_docstring,
)

_DEPRECATED_WORDS = (
    "asynchat asyncore audioop binhex cgi cgitb chunk crypt distutils formatter imghdr imp "
    "lib2to3 mailcap msilib nis nntplib optparse ossaudiodev parser pipes smtpd sndhdr spwd sunau "
    "symbol telnetlib uu xdrlib"
)
DEPRECATED = frozenset(_DEPRECATED_WORDS.split())
_STOPPERS = {
    ast.Return: "no-else-return",
    ast.Raise: "no-else-raise",
    ast.Break: "no-else-break",
    ast.Continue: "no-else-continue",
}
_EXITS = {"exit", "quit", "_exit", "abort"}


def check_flow(tree: Tree) -> Iterator[Message]:
    """Messages about statements."""
    yield from _imports(tree)
    yield from _needless_else(tree)
    yield from _handlers(tree)
    yield from _pointless(tree)
    yield from _globals(tree)
    for function in tree.of(*FUNCTIONS):
        yield from _returns(tree, function)
    for loop in tree.of(*LOOPS):
        if loop.orelse and not _breaks(loop):
            yield "useless-else-on-loop", loop.orelse[0].lineno
    for block in blocks(tree):
        for field in ("body", "orelse", "finalbody"):
            for statement, after in zip(getattr(block, field, ()), getattr(block, field, ())[1:],
                                        strict=False):  # fmt: skip
                if statement.__class__ in _STOPPERS:
                    yield "unreachable", after.lineno
                    break


def _imports(tree: Tree) -> Iterator[Message]:
    root = tree.root
    started = min((node.lineno for number, node in enumerate(root.body) if _is_code(node, number)),
                  default=0)  # fmt: skip
    seen: dict[tuple[Any, str], int] = {}
    module = tree.module
    statements = sorted([*tree.of(ast.Import), *tree.of(ast.ImportFrom)], key=lambda n: n.lineno)
    for node in statements:
        scope = tree.scope[node]
        outside = scope is not module
        if outside:
            yield "import-outside-toplevel", node.lineno
        elif started and node.lineno > started and tree.parent[node] is root:
            yield "wrong-import-position", node.lineno
        plain = isinstance(node, ast.Import)
        near = not plain and node.level == 1 and not node.module  # `from . import x`
        if (
            not plain
            and node.level
            and not near
            and not (
                handles(tree, node, "ImportError", "ModuleNotFoundError")
                or is_type_checking(tree, node)
            )
        ):
            yield "relative-beyond-top-level", node.lineno
        if plain and len(node.names) > 1:
            yield "multiple-imports", node.lineno
        if not plain and node.names[0].name == "*":
            yield "wildcard-import", node.lineno
            continue
        for alias in node.names:
            if plain and "." in alias.name and alias.name.rpartition(".")[2] == alias.asname:
                yield "consider-using-from-import", node.lineno
            if alias.asname == alias.name and "." not in alias.name:
                yield "useless-import-alias", node.lineno
            # `first` of a reimport stands right in the body of the function or the module
            full = alias.name if plain else f"{'.' * node.level}{node.module or ''}:{alias.name}"
            key = f"{full}|{alias.asname}"
            frame = scope.frame()
            if any(seen.get((one, key), node.lineno) != node.lineno for one in (frame, module)):
                yield "reimported", node.lineno
            if tree.parent[node] is frame.node:
                seen.setdefault((frame, key), node.lineno)
        names = [alias.name for alias in node.names] if plain else [node.module or ""]
        for name in names:
            if not getattr(node, "level", 0) and name.partition(".")[0] in DEPRECATED:
                yield "deprecated-module", node.lineno


def _is_code(node: ast.stmt, number: int) -> bool:
    """Whether an import behind it comes too late."""
    if isinstance(node, ast.Assign):
        return not all(
            isinstance(target, ast.Name) and target.id.startswith("__") and target.id.endswith("__")
            for target in node.targets
        )
    if isinstance(node, ast.Expr):
        return number > 0 or not is_constant(node.value, str)  # a docstring is none
    return isinstance(node, (*FUNCTIONS, ast.ClassDef, *LOOPS))


def _needless_else(tree: Tree) -> Iterator[Message]:
    for node in tree.of(ast.If):
        if node.orelse and not is_elif(tree, node):
            for kind in {child.__class__ for child in node.body} & _STOPPERS.keys():
                yield _STOPPERS[kind], node.lineno
    for node in tree.of(ast.Try):
        if node.orelse and not node.finalbody:
            for kind, symbol in _STOPPERS.items():
                if all(any(child.__class__ is kind for child in handler.body)
                       for handler in node.handlers):  # fmt: skip
                    yield symbol, node.lineno


def is_elif(tree: Tree, node: ast.If) -> bool:
    """Whether an `if` is written as `elif`."""
    above = tree.parent[node]
    return (
        above.__class__ is ast.If and above.orelse == [node] and node.col_offset == above.col_offset
    )


def _handlers(tree: Tree) -> Iterator[Message]:
    for node in tree.of(ast.ExceptHandler):
        raising = any(child.__class__ is ast.Raise for child in node.body)
        if node.type is None:
            if not raising:
                yield "bare-except", node.lineno
        else:
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            for kind in kinds:
                if (
                    kind.__class__ is ast.Name
                    and kind.id in ("Exception", "BaseException")
                    and (not raising and kind.id not in tree.module.bound)
                ):
                    yield "broad-exception-caught", node.lineno
    for node in tree.of(*dict.fromkeys(TRIES)):
        # a bare raise is in vain unless a handler behind it would take what it lets through
        bare = [_raises_only(handler) for handler in node.handlers]
        if bare and bare[-1]:
            yield "try-except-raise", node.handlers[-1].lineno
    for node in tree.of(ast.Raise):
        yield from _raise(tree, node)


def _raises_only(handler: ast.ExceptHandler) -> bool:
    first = handler.body[0]
    return first.__class__ is ast.Raise and (
        first.exc is None or (first.exc.__class__ is ast.Name and first.exc.id == handler.name)
    )


def _raise(tree: Tree, node: ast.Raise) -> Iterator[Message]:
    if node.exc is None:
        return
    called = node.exc.__class__ is ast.Call
    name = last_name(node.exc)
    plain = (node.exc.func if called else node.exc).__class__ is ast.Name
    if plain and name in ("Exception", "BaseException") and name not in tree.module.bound:
        yield "broad-exception-raised", node.lineno
    if plain and name == "NotImplemented":
        yield "notimplemented-raised", node.lineno
    if node.cause is not None:
        return
    above = tree.parent[node]
    while above.__class__ not in (ast.ExceptHandler, *FUNCTIONS, ast.Module, ast.ClassDef):
        above = tree.parent[above]
    if above.__class__ is not ast.ExceptHandler:
        return
    if node.exc.__class__ is ast.Name and node.exc.id == above.name:
        return
    if (
        called
        and node.exc.func.__class__ is ast.Attribute
        and (node.exc.func.attr == "with_traceback")
    ):
        return
    if not called and not (plain and name[:1].isupper()):
        return
    if above.name is None and above.type is not None and isinstance(above.type, ast.Tuple):
        kinds = {last_name(one) for one in above.type.elts}
    else:
        kinds = {last_name(above.type)}
    if not called and name in kinds:
        return
    yield "raise-missing-from", node.lineno


def _pointless(tree: Tree) -> Iterator[Message]:
    """Statements without effect."""
    for node in tree.of(ast.Expr):
        value, holder = node.value, tree.parent[node]
        field, at, body = places(tree)[node]
        if is_constant(value, str):
            documented = holder.__class__ in (ast.Module, ast.ClassDef, *FUNCTIONS)
            if not at and documented and field == "body":
                continue
            scope = tree.scope[node].node
            named = scope.__class__ in (ast.Module, ast.ClassDef) or (
                getattr(scope, "name", "") == "__init__"
            )
            if at and named and isinstance(body[at - 1], ast.Assign | ast.AnnAssign):
                continue
            yield "pointless-string-statement", node.lineno
            continue
        if isinstance(value, ast.Call | ast.Yield | ast.YieldFrom | ast.Await):
            continue
        if (holder.__class__ in TRIES and holder.body == [node]) or is_constant(value, type(...)):
            continue
        if isinstance(value, ast.NamedExpr):
            yield "named-expr-without-context", node.lineno
        elif any(isinstance(inner, ast.Call) for inner in ast.walk(value)):
            yield "expression-not-assigned", node.lineno
        else:
            yield "pointless-statement", node.lineno
    for node in tree.of(ast.Pass):
        if len(places(tree)[node][2]) > 1:
            yield "unnecessary-pass", node.lineno
    for node in tree.of(ast.Assert):
        if isinstance(node.test, ast.Tuple) and node.test.elts:
            yield "assert-on-tuple", node.lineno
        if is_constant(node.test, str) and node.test.value:
            yield "assert-on-string-literal", node.lineno


def _globals(tree: Tree) -> Iterator[Message]:
    homes: dict[str, set[Any]] = {}  # in which scopes each name is bound
    for node in tree.of(ast.Global):
        scope = tree.scope[node]
        if scope is tree.module:
            yield "global-at-module-level", node.lineno
            continue
        plain = True
        for name in node.names:
            definitions = tree.module.bound.get(name, ())
            if name not in homes:
                homes[name] = {tree.scope.get(one) for one in definitions}
                homes[name] |= {"import"} & {
                    "import" if isinstance(one, ast.alias) else "" for one in definitions
                }
            imported, here = "import" in homes[name], scope in homes[name]
            deleted = any(use.ctx.__class__ is ast.Del for use in scope.used.get(name, ()))
            if not here and not deleted and not imported:
                plain = False
                yield "global-variable-not-assigned", node.lineno
            elif not imported and tree.module not in homes[name]:
                plain = False
                yield "global-variable-undefined", node.lineno
        if plain:
            yield "global-statement", node.lineno


def _breaks(loop: ast.AST) -> bool:
    waiting = list(loop.body)
    while waiting:
        node = waiting.pop()
        if node.__class__ is ast.Break:
            return True
        if isinstance(node, (*LOOPS, *FUNCTIONS, ast.ClassDef)):
            waiting += getattr(node, "orelse", [])
            continue
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, field, [])
    return False


def _returns(tree: Tree, function: Any) -> Iterator[Message]:
    own = [node for node in _own_returns(function)]
    if not own:
        return
    explicit = [node for node in own if node.value is not None]
    if explicit and not (len(explicit) == len(own) and _ends(without_docstring(function.body))):
        yield "inconsistent-return-statements", function.lineno
    body = without_docstring(function.body)
    if (len(own) == 1 and len(body) > 1) or (len(own) == 1 and body and body[0] is not own[0]):
        last = body[-1]
        while isinstance(last, ast.If | ast.Try | ast.ExceptHandler):
            last = _last_child(last)
        if last is own[0] and (last.value is None or is_constant(last.value, type(None))):
            yield "useless-return", function.lineno


def _last_child(node: Any) -> Any:
    for field in ("finalbody", "orelse", "handlers", "body"):
        if found := getattr(node, field, None):
            return found[-1]
    return None


def _own_returns(function: Any) -> Iterator[ast.Return]:
    waiting = list(reversed(function.body))
    while waiting:
        node = waiting.pop()
        if node.__class__ is ast.Return:
            yield node
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            continue
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, field, [])


def _ends(body: list[Any]) -> bool:
    """Whether some statement of a block always returns or raises, in pylint's sense."""
    return any(_always_ends(node, body[number + 1 :]) for number, node in enumerate(body))


def _always_ends(node: Any, after: list[Any]) -> bool:
    kind = node.__class__
    if kind in (ast.Return, ast.Raise):
        return True
    if kind is ast.Expr and node.value.__class__ is ast.Call:
        return last_name(node.value.func) in _EXITS
    if kind is ast.While:
        forever = is_constant(node.test, int) and bool(node.test.value)
        return (forever and not _breaks(node)) or _ends(node.orelse)
    if kind is ast.If:
        inner = [child for child in node.body if not isinstance(child, ast.FunctionDef)]
        if not node.orelse:
            return any(one.__class__ is ast.Return for one in after) and _ends(inner)
        other = [child for child in node.orelse if not isinstance(child, ast.FunctionDef)]
        return _ends(inner) and _ends(other)
    if kind in TRIES:
        return (_ends(node.body) or _ends(node.orelse) or _ends(node.finalbody)) and all(
            _ends(handler.body) for handler in node.handlers
        )
    if kind is ast.Assert:
        return is_constant(node.test, (bool, int)) and not node.test.value
    if kind in (*FUNCTIONS, ast.ClassDef):
        return _ends(node.body)
    return any(_ends(getattr(node, field, [])) for field in ("body", "orelse")) or any(
        _ends(case.body) for case in getattr(node, "cases", ())
    )
