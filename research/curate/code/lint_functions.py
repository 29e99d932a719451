"""What pylint says of calls of known functions: builtins, files, processes, logging."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from research.curate.code.lint_lines import Message
from research.curate.code.syntax_tree import Tree
from research.curate.code.tree_facts import is_constant, last_name

_LOGGING_WORDS = "debug info warning warn error exception critical fatal"


_LOGGING = frozenset(_LOGGING_WORDS.split())


_OPENING = {"open", "NamedTemporaryFile", "TemporaryFile", "TemporaryDirectory",
            "SpooledTemporaryFile", "Popen", "ZipFile", "TarFile", "Pool",
            "ThreadPoolExecutor", "ProcessPoolExecutor"}  # fmt: skip


def _call(tree: Tree, call: ast.Call) -> Iterator[Message]:
    func = call.func
    name = func.id if func.__class__ is ast.Name else ""
    word = name or getattr(func, "attr", "")
    keywords = {keyword.arg for keyword in call.keywords}
    if name and name in tree.module.bound:
        name = ""
    if name == "eval":
        yield "eval-used", call.lineno
    elif name == "exec":
        yield "exec-used", call.lineno
    elif name == "dict" and not call.args and None not in keywords:
        yield "use-dict-literal", call.lineno
    elif name == "list" and not call.args and not call.keywords:
        yield "use-list-literal", call.lineno
    elif name in ("all", "any") and len(call.args) == 1 and isinstance(call.args[0], ast.ListComp):
        yield "use-a-generator", call.lineno
    elif (
        name in ("sum", "max", "min", "list", "tuple")
        and len(call.args) == 1
        and isinstance(call.args[0], ast.ListComp)
    ):
        yield "consider-using-generator", call.lineno
    elif name in ("set", "dict") and len(call.args) == 1 and isinstance(call.args[0], ast.ListComp):
        inner = call.args[0].elt
        if name == "set" or (isinstance(inner, ast.Tuple | ast.List) and len(inner.elts) == 2):
            yield f"consider-using-{name}-comprehension", call.lineno
    elif name in ("exit", "quit"):
        yield "consider-using-sys-exit", call.lineno
    elif name == "breakpoint":
        yield "forgotten-debug-statement", call.lineno
    module = getattr(getattr(func, "value", None), "id", "")
    if (name == "open" or (module, word) == ("io", "open")) and call.args:
        yield from _open(call, keywords)
    if (module, word) == ("pdb", "set_trace"):
        yield "forgotten-debug-statement", call.lineno
    if (module, word) == ("subprocess", "run") and not keywords & {"check", None}:
        yield "subprocess-run-check", call.lineno
    if _is_resource(name, module, word):
        yield from _without_with(tree, call)
    if module and (word in _LOGGING or word == "log") and _is_logger(tree, module):
        yield from _logging(call, word)
    if func.__class__ is ast.Attribute:
        yield from _method(tree, call, func)
    if func.__class__ is ast.Lambda:
        yield "unnecessary-direct-lambda-call", call.lineno


def _is_resource(name: str, module: str, word: str) -> bool:
    if name == "open":
        return True
    return word in _OPENING and word != "open" and module in (
        "subprocess", "tempfile", "zipfile", "tarfile", "multiprocessing", "futures",
    )  # fmt: skip


def _open(call: ast.Call, keywords: set[str | None]) -> Iterator[Message]:
    mode = call.args[1] if len(call.args) > 1 else None
    for keyword in call.keywords:
        if keyword.arg == "mode":
            mode = keyword.value
    if None in keywords or "encoding" in keywords or len(call.args) > 3:
        return
    if mode is None or (is_constant(mode, str) and "b" not in mode.value):
        yield "unspecified-encoding", call.lineno


def _without_with(tree: Tree, call: ast.Call) -> Iterator[Message]:
    above = tree.parent[call]
    while above.__class__ in (ast.withitem, ast.IfExp):
        if above.__class__ is ast.withitem:
            return
        above = tree.parent[above]
    scope = tree.scope[call]
    if isinstance(above, ast.Return | ast.Lambda | ast.Yield):
        return
    if isinstance(above, ast.Call):
        if last_name(above.func) in ("enter_context", "closing", "enter_async_context"):
            return
        return
    if isinstance(above, ast.Assign):
        target = above.targets[0]
        if isinstance(target, ast.Attribute | ast.Subscript):
            return
        if isinstance(target, ast.Name):
            for use in scope.used.get(target.id, ()):
                where = tree.parent[use]
                if isinstance(where, ast.withitem | ast.Return):
                    return
            if scope.elsewhere.get(target.id):
                return
        yield "consider-using-with", call.lineno
    elif isinstance(above, ast.Attribute | ast.For | ast.Expr):
        yield "consider-using-with", call.lineno


def _is_logger(tree: Tree, name: str) -> bool:
    """Whether a name of the module is `logging` or what `logging.getLogger` gave."""
    for node in tree.module.bound.get(name, ()):
        if isinstance(node, ast.alias):
            return node.name == "logging"
        value = getattr(tree.parent.get(node), "value", None)
        if isinstance(value, ast.Call) and last_name(value.func) == "getLogger":
            return True
    return False


def _logging(call: ast.Call, word: str) -> Iterator[Message]:
    at = 1 if word == "log" else 0
    if len(call.args) <= at:
        return
    message = call.args[at]
    if isinstance(message, ast.JoinedStr):
        yield "logging-fstring-interpolation", call.lineno
    elif isinstance(message, ast.BinOp) and isinstance(message.op, ast.Mod):
        yield "logging-not-lazy", call.lineno
    elif isinstance(message, ast.Call) and last_name(message.func) == "format":
        yield "logging-format-interpolation", call.lineno


_DUNDERS_WORDS = (
    "__init__ __del__ __repr__ __str__ __bytes__ __format__ __lt__ __le__ __eq__ __ne__ __gt__ "
    "__ge__ __hash__ __bool__ __getattribute__ __setattr__ __delattr__ __dir__ __call__ __len__ "
    "__getitem__ __setitem__ __delitem__ __iter__ __reversed__ __contains__ __enter__ __exit__ "
    "__add__ __sub__ __mul__ __matmul__ __truediv__ __floordiv__ __mod__ __divmod__ __pow__ "
    "__and__ __xor__ __or__ __radd__ __rsub__ __rmul__ __iadd__ __isub__ __imul__ __neg__ __pos__ "
    "__abs__ __invert__ __complex__ __int__ __float__ __round__ __trunc__ __floor__ __ceil__ "
    "__aiter__ __anext__ __aenter__ __next__ __fspath__ __getattr__ __get__ __set__ __delete__ "
    "__length_hint__ __lshift__ __rshift__ __copy__ __deepcopy__ __subclasscheck__ "
    "__instancecheck__"
)


_DUNDERS = frozenset(_DUNDERS_WORDS.split())


def _method(tree: Tree, call: ast.Call, func: ast.Attribute) -> Iterator[Message]:
    if func.attr in _DUNDERS and func.attr not in ("__init__", "__del__", "__call__", "__index__"):
        value = func.value
        if isinstance(value, ast.Call) and last_name(value.func) == "super":
            return
        scope = tree.scope[call].frame()
        if (
            scope.is_function
            and scope.node.name.startswith("__")
            and scope.node.name.endswith("__")
        ):
            return
        if (isinstance(value, ast.Name) and value.id[:1].isupper()) or (
            isinstance(value, ast.Name) and value.id in ("object", "type", "dict", "list", "str",
                                                         "int", "float", "tuple", "set", "cls")
        ):  # fmt: skip
            return
        yield "unnecessary-dunder-call", call.lineno


def check_functions(tree: Tree) -> Iterator[Message]:
    """Messages about calls of functions that all programs have."""
    for call in tree.of(ast.Call):
        yield from _call(tree, call)
