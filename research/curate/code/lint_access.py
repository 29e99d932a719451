"""What pylint says of access to private attributes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from research.curate.code.lint_lines import Message
from research.curate.code.syntax_tree import FUNCTIONS, Tree
from research.curate.code.tree_facts import last_name, method_kind

_PUBLIC_AFTER_ALL = {"_asdict", "_fields", "_replace", "_source", "_make", "_exit"}


def check_access(tree: Tree) -> Iterator[Message]:
    """Messages about attributes whose names begin with an underscore, of other objects."""
    for node in tree.of(ast.Attribute):
        name = node.attr
        if name[0] != "_" or name == "_" or (name.startswith("__") and name.endswith("__")):
            continue
        if name in _PUBLIC_AFTER_ALL:
            continue
        value = node.value
        if node.ctx.__class__ is ast.Store:  # pylint looks at the first target of `=` alone
            above = tree.parent[node]
            if above.__class__ is not ast.Assign or above.targets[0] is not node:
                continue
        scope = tree.scope[node]
        owner: Any = None
        while scope is not None and owner is None:
            if scope.node.__class__ is ast.ClassDef:
                owner = scope.node
            scope = scope.parent
        if owner is None:
            if not _in_annotation(tree, node):
                yield "protected-access", node.lineno
            continue
        if value.__class__ is ast.Name and _is_first_argument(tree, node, value.id):
            continue
        if value.__class__ is ast.Call and value.func.__class__ is ast.Name:
            if value.func.id == "super":
                continue
            if (
                value.func.id == "type"
                and len(value.args) == 1
                and (
                    value.args[0].__class__ is ast.Name
                    and _is_first_argument(tree, node, value.args[0].id)
                )
            ):
                continue
        if (
            value.__class__ is ast.Attribute
            and value.attr == "__class__"
            and (
                value.value.__class__ is ast.Name and _is_first_argument(tree, node, value.value.id)
            )
        ):
            continue
        callee = last_name(value) if isinstance(value, ast.Name | ast.Attribute) else ""
        bases = {ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
                 for base in owner.bases}  # fmt: skip
        if callee and (callee in bases or (
            callee == owner.name and isinstance(value, ast.Name)
        )):  # fmt: skip
            continue
        if _is_default(tree, node) or _is_new_instance(tree, node, value):
            continue
        frame = tree.scope[node].frame()
        while frame is not None and frame.node.__class__ is ast.Lambda:
            frame = frame.parent
        inside = getattr(frame.node, "name", "")
        if not name.startswith("__") and inside in SPECIAL_METHODS:
            continue
        if not _in_annotation(tree, node):
            yield "protected-access", node.lineno


def _is_default(tree: Tree, node: ast.AST) -> bool:
    """Whether a node is the default of an argument of a special method, which counts as in it."""
    above = tree.parent[node]
    return (
        isinstance(above, FUNCTIONS)
        and above.name in SPECIAL_METHODS
        and node in (*above.args.defaults, *above.args.kw_defaults)
    )


def _is_new_instance(tree: Tree, node: ast.AST, value: ast.AST) -> bool:
    """Whether, in a class method, a name stands for an object that the method has just made."""
    scope = tree.scope[node].frame()
    if value.__class__ is not ast.Name or not scope.is_function:
        return False
    if method_kind(tree, scope.node) != "classmethod":
        return False
    first = (*scope.node.args.posonlyargs, *scope.node.args.args)[:1]
    for target in scope.bound.get(value.id, ()):
        call = getattr(tree.parent.get(target), "value", None)
        if call.__class__ is not ast.Call or not first:
            return False
        made = call.func.__class__ is ast.Name and call.func.id == first[0].arg
        if not made and last_name(call.func) != "__new__":
            return False
    return value.id in scope.bound


def _is_first_argument(tree: Tree, node: ast.AST, name: str) -> bool:
    """Whether a name is the first argument of a method around, whatever stands between."""
    scope = tree.scope[node]
    while scope is not None:
        if scope.is_function and scope.parent.node.__class__ is ast.ClassDef:
            if method_kind(tree, scope.node) == "staticmethod":
                return False
            arguments = [*scope.node.args.posonlyargs, *scope.node.args.args]
            return bool(arguments) and arguments[0].arg == name
        scope = scope.parent
    return False


def _in_annotation(tree: Tree, node: ast.AST) -> bool:
    child, above = node, tree.parent[node]
    while not isinstance(above, ast.stmt | ast.Lambda):
        child, above = above, tree.parent[above]
    if isinstance(above, FUNCTIONS):
        arguments = above.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
        return child is above.returns or any(child is one.annotation for one in every)
    return above.__class__ is ast.AnnAssign and child is above.annotation


_SPECIAL_METHODS_WORDS = (
    "__init__ __new__ __del__ __repr__ __str__ __bytes__ __format__ __lt__ __le__ __eq__ __ne__ "
    "__gt__ __ge__ __hash__ __bool__ __getattr__ __getattribute__ __setattr__ __delattr__ __dir__ "
    "__get__ __set__ __delete__ __set_name__ __call__ __len__ __length_hint__ __getitem__ "
    "__setitem__ __delitem__ __missing__ __iter__ __reversed__ __contains__ __enter__ __exit__ "
    "__add__ __sub__ __mul__ __matmul__ __truediv__ __floordiv__ __mod__ __divmod__ __pow__ "
    "__lshift__ __rshift__ __and__ __xor__ __or__ __radd__ __rsub__ __rmul__ __rmatmul__ "
    "__rtruediv__ __rfloordiv__ __rmod__ __rdivmod__ __rpow__ __rlshift__ __rrshift__ __rand__ "
    "__rxor__ __ror__ __iadd__ __isub__ __imul__ __imatmul__ __itruediv__ __ifloordiv__ __imod__ "
    "__ipow__ __ilshift__ __irshift__ __iand__ __ixor__ __ior__ __neg__ __pos__ __abs__ "
    "__invert__ __complex__ __int__ __float__ __index__ __round__ __trunc__ __floor__ __ceil__ "
    "__await__ __aiter__ __anext__ __aenter__ __aexit__ __next__ __copy__ __deepcopy__ __reduce__ "
    "__reduce_ex__ __getstate__ __setstate__ __getnewargs__ __getnewargs_ex__ __fspath__ "
    "__sizeof__ __class_getitem__ __init_subclass__ __instancecheck__ __subclasscheck__ "
    "__prepare__ __subclasses__ __mro_entries__ __post_init__ __cmp__ __unicode__ __nonzero__ "
    "__div__ __idiv__ __rdiv__ __coerce__ __hex__ __oct__ __long__"
)


SPECIAL_METHODS = frozenset(_SPECIAL_METHODS_WORDS.split())
