"""What pylint says of expressions: old idioms, comparisons, calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from research.curate.code.lint_lines import Message
from research.curate.code.syntax_tree import FUNCTIONS, Tree, lookup
from research.curate.code.tree_facts import is_constant, last_name

_LITERALS = (ast.List, ast.Dict, ast.Set)


def check_idioms(tree: Tree) -> Iterator[Message]:
    """Messages about expressions."""
    yield from _formatting(tree)
    for compare in tree.of(ast.Compare):
        yield from _compare(tree, compare)
    for test in tree.of(ast.BoolOp):
        yield from _connected(test)
    for lambda_ in tree.of(ast.Lambda):
        yield from _lambda(tree, lambda_)
    for loop in tree.of(ast.For):
        yield from _loop(tree, loop)
    for node in tree.of(ast.UnaryOp):
        if (
            isinstance(node.op, ast.Not)
            and isinstance(node.operand, ast.UnaryOp)
            and isinstance(node.operand.op, ast.Not)
        ):
            yield "unnecessary-negation", node.lineno
    for function in tree.of(*FUNCTIONS):
        defaults = [*function.args.defaults, *(d for d in function.args.kw_defaults if d)]
        for default in defaults:
            if isinstance(default, _LITERALS) or (
                isinstance(default, ast.Call)
                and default.func.__class__ is ast.Name
                and default.func.id in ("list", "dict", "set")
            ):
                yield "dangerous-default-value", function.lineno
    for node in tree.of(ast.Assign):
        if (
            isinstance(node.value, ast.Lambda)
            and len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name)
        ):
            yield "unnecessary-lambda-assignment", node.lineno
        in_class = tree.scope[node].node.__class__ is ast.ClassDef
        if (
            node.value.__class__ is ast.Name
            and not in_class
            and any(
                target.__class__ is ast.Name and target.id == node.value.id
                for target in node.targets
            )
        ):
            yield "self-assigning-variable", node.lineno
        if (
            isinstance(node.value, ast.Tuple)
            and len(node.value.elts) == 1
            and (node.value.col_offset == node.value.elts[0].col_offset)
        ):
            yield "trailing-comma-tuple", node.lineno
    for node in tree.of(ast.JoinedStr):
        if not any(value.__class__ is ast.FormattedValue for value in node.values) and (
            tree.parent[node].__class__ is not ast.FormattedValue
        ):
            yield "f-string-without-interpolation", node.lineno
    for node in tree.of(ast.Dict):
        keys = [key.value for key in node.keys if is_constant(key, (str, int))]
        if len(set(keys)) < len(keys):
            yield "duplicate-key", node.lineno
    for node in tree.of(ast.ListComp, ast.SetComp):
        generator = node.generators[0]
        if (
            len(node.generators) == 1
            and not generator.ifs
            and not generator.is_async
            and (_same_name(node.elt, generator.target))
        ):
            yield "unnecessary-comprehension", node.lineno
    for node in tree.of(ast.If):
        yield from _if(tree, node)


def _formatting(tree: Tree) -> Iterator[Message]:
    for node in tree.of(ast.BinOp):
        if isinstance(node.op, ast.Mod) and is_constant(node.left, str):
            text = node.left.value
            right = node.right
            if "{" in text or "}" in text or _has_backslash(right):
                continue
            size = len(getattr(right, "keys", getattr(right, "elts", ())))
            if isinstance(right, ast.Dict | ast.List) and size > 1:
                continue
            yield "consider-using-f-string", node.left.lineno
    for node in tree.of(ast.Attribute):
        if node.attr != "format" or not is_constant(node.value, str):
            continue
        call = tree.parent[node]
        if call.__class__ is not ast.Call or call.func is not node:
            continue
        if any(_has_backslash(argument) for argument in call.args):
            continue
        yield "consider-using-f-string", node.value.lineno


def _has_backslash(node: ast.AST) -> bool:
    return any(
        inner.__class__ is ast.Constant
        and inner.value.__class__ in (str, bytes)
        and "\\" in repr(inner.value)
        for inner in ast.walk(node)
    )


def _compare(tree: Tree, node: ast.Compare) -> Iterator[Message]:
    left, right, op = node.left, node.comparators[0], node.ops[0]
    if len(node.ops) == 1 and isinstance(op, ast.Eq | ast.NotEq):
        for side in (left, right):
            if is_constant(side, (bool, type(None))):
                yield "singleton-comparison", node.lineno
                break
    if isinstance(op, ast.Eq | ast.NotEq | ast.Is | ast.IsNot) and (
        isinstance(left, ast.Call)
        and left.func.__class__ is ast.Name
        and (left.func.id == "type" and len(left.args) == 1)
    ):
        yield "unidiomatic-typecheck", node.lineno
    if (
        isinstance(op, ast.Is | ast.IsNot)
        and (
            is_constant(left, (str, int, float, bytes))
            or is_constant(right, (str, int, float, bytes))
        )
        and not any(is_constant(side, bool) for side in (left, right))
    ):
        yield "literal-comparison", node.lineno
    if len(node.ops) == 1 and _same_name(left, right):
        yield "comparison-with-itself", node.lineno


def _connected(node: ast.BoolOp) -> Iterator[Message]:
    """`a == 1 or a == 2`, `a < b and b < c`, `isinstance(a, b) or isinstance(a, c)`."""
    either = isinstance(node.op, ast.Or)
    compared: list[str] = []
    wanted = ast.Eq if either else ast.NotEq
    for value in node.values:
        if not (isinstance(value, ast.Compare) and len(value.ops) == 1
                and isinstance(value.ops[0], wanted)):  # fmt: skip
            break
        sides = [side for side in (value.left, value.comparators[0])
                 if not isinstance(side, ast.Constant)]  # fmt: skip
        names = {ast.unparse(side) for side in sides if isinstance(side, ast.Name | ast.Attribute)}
        if not names:
            break
        compared.append("|".join(sorted(names)))
    else:
        common = set.intersection(*(set(one.split("|")) for one in compared))
        if common:
            yield "consider-using-in", node.lineno
    if either:
        objects = [
            ast.unparse(value.args[0])
            for value in node.values
            if isinstance(value, ast.Call)
            and value.func.__class__ is ast.Name
            and value.func.id == "isinstance"
            and len(value.args) == 2
        ]
        for name in dict.fromkeys(objects):
            if objects.count(name) > 1:
                yield "consider-merging-isinstance", node.lineno
                break
    elif _chains(node):
        yield "chained-comparison", node.lineno


def _chains(node: ast.BoolOp) -> bool:
    lower: dict[str, set[ast.AST]] = {}
    upper: dict[str, set[ast.AST]] = {}
    for value in node.values:
        if not isinstance(value, ast.Compare):
            continue
        left = value.left
        for op, right in zip(value.ops, value.comparators, strict=True):
            if isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
                small, large = (left, right) if isinstance(op, ast.Lt | ast.LtE) else (right, left)
                for side, table in ((small, lower), (large, upper)):
                    key = ""
                    if isinstance(side, ast.Name):
                        key = side.id
                    elif is_constant(side, (int, float)):
                        key = repr(side.value)
                    if key:
                        table.setdefault(key, set()).add(value)
            left = right
    return any(lower[key] - upper.get(key, set()) and upper.get(key, set()) - lower[key]
               for key in lower)  # fmt: skip


def _lambda(tree: Tree, node: ast.Lambda) -> Iterator[Message]:
    """`lambda x: f(x)`."""
    call, arguments = node.body, node.args
    if not isinstance(call, ast.Call) or arguments.defaults or arguments.kwonlyargs:
        return
    if isinstance(call.func, ast.Call):
        return
    given = [argument.id if argument.__class__ is ast.Name else None for argument in call.args
             if not isinstance(argument, ast.Starred)]  # fmt: skip
    starred = [getattr(argument.value, "id", None) for argument in call.args
               if isinstance(argument, ast.Starred)]  # fmt: skip
    doubled = [getattr(keyword.value, "id", None) for keyword in call.keywords]
    if any(keyword.arg is not None for keyword in call.keywords):
        return
    own = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if given != own or starred != ([arguments.vararg.arg] if arguments.vararg else []):
        return
    if doubled != ([arguments.kwarg.arg] if arguments.kwarg else []):
        return
    used = {inner.id for inner in ast.walk(call.func) if inner.__class__ is ast.Name}
    if used & set(own):
        return
    above = tree.parent[node]
    if isinstance(above, ast.Call) and above.func is node:
        return
    yield "unnecessary-lambda", node.lineno


def _loop(tree: Tree, loop: ast.For) -> Iterator[Message]:
    target, iterated = loop.target, loop.iter
    if (
        isinstance(iterated, ast.Call)
        and iterated.func.__class__ is ast.Name
        and (iterated.func.id == "range")
    ):
        stop = iterated.args[-1] if len(iterated.args) in (1, 2) else None
        if len(iterated.args) == 2 and not (is_constant(iterated.args[0], int)
                                            and iterated.args[0].value == 0):  # fmt: skip
            stop = None
        if (
            isinstance(stop, ast.Call)
            and last_name(stop.func) == "len"
            and len(stop.args) == 1
            and (isinstance(target, ast.Name) and isinstance(stop.args[0], ast.Name))
        ) and _subscripts_only(loop, stop.args[0].id, target.id):
            yield "consider-using-enumerate", loop.lineno
    keyed = target.id if isinstance(target, ast.Name) else ""
    mapping = iterated.func.value if _is_keys(iterated) else iterated
    if (
        keyed
        and isinstance(mapping, ast.Name)
        and (_is_keys(iterated) or _is_dictionary(tree, mapping))
        and _subscripts_only(loop, mapping.id, keyed)
    ):
        yield "consider-using-dict-items", loop.lineno
    body = loop.body
    if (
        len(body) == 1
        and body[0].__class__ is ast.Expr
        and (
            isinstance(body[0].value, ast.Yield)
            and body[0].value.value is not None
            and _same_name(body[0].value.value, target)
            and not loop.orelse
        )
    ):
        yield "use-yield-from", body[0].lineno
    if isinstance(iterated, ast.Set) and iterated.elts:
        yield "use-sequence-for-iteration", loop.lineno


def _is_keys(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "keys"
        and not node.args
    )


def _is_dictionary(tree: Tree, name: ast.Name) -> bool:
    """Whether a name is bound to literal dictionaries alone."""
    home = lookup(tree.scope[name], name.id)
    values = [getattr(tree.parent.get(node), "value", None)
              for node in home.bound[name.id]] if home else []  # fmt: skip
    return bool(values) and all(isinstance(value, ast.Dict) for value in values)


def _subscripts_only(loop: ast.For, sequence: str, index: str) -> bool:
    """Whether `sequence[index]` is read in the loop and never assigned to."""
    found = False
    for node in (inner for statement in loop.body for inner in ast.walk(statement)):
        if (
            node.__class__ is ast.Subscript
            and node.value.__class__ is ast.Name
            and (
                node.value.id == sequence
                and node.slice.__class__ is ast.Name
                and node.slice.id == index
            )
        ):
            if node.ctx.__class__ is not ast.Load:
                return False
            found = True
        if node.__class__ is ast.Name and node.id == sequence and isinstance(node.ctx, ast.Store):
            return False
    return found


def _if(tree: Tree, node: ast.If) -> Iterator[Message]:
    """`if a < b: a = b`."""
    test, body = node.test, node.body
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and len(body) == 1 and not node.orelse:
        statement = body[0]
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = (ast.unparse(statement.targets[0]), ast.unparse(statement.value))
            sides = {ast.unparse(test.left), ast.unparse(test.comparators[0])}
            if (
                sides == {target, value}
                and target != value
                and isinstance(test.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE)
            ):
                above = tree.parent[node]
                if not (isinstance(above, ast.If) and above.orelse == [node]):
                    less = isinstance(test.ops[0], ast.Lt | ast.LtE)
                    first = ast.unparse(test.left) == target
                    yield (
                        "consider-using-max-builtin" if less == first else
                        "consider-using-min-builtin"
                    ), node.lineno  # fmt: skip


def _same_name(a: Any, b: Any) -> bool:
    if a.__class__ is ast.Name and b.__class__ is ast.Name:
        return a.id == b.id
    if a.__class__ is ast.Tuple and b.__class__ is ast.Tuple and len(a.elts) == len(b.elts):
        return bool(a.elts) and all(map(_same_name, a.elts, b.elts))
    return False
