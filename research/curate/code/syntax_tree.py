"""Python source as a tree that checks can look things up in, and whose depth no parser can die of.

`parse` refuses source whose nesting could overflow the parser, then walks the tree once, without
recursion: nodes by type in the order of the source, the parent of each, and scopes with what is
bound and used in them.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import warnings
from collections import defaultdict
from typing import Any

from research.curate.code.python_tokens import Tokens, tokens_of

MAX_NESTING = 500  # levels of one expression; CPython's own limit lies between 1,000 and 3,000
MAX_BLOCKS = 98  # blocks in each other; CPython's tokenizer allows 99
MAX_BRACKETS = 199  # CPython's tokenizer allows 199
MAX_ELIFS = 500  # branches of one `if`: each is a level of the tree

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_NAME = re.compile(r"[^\W\d]\w*")


class CannotParse(Exception):
    """The source is not valid Python, or too deep to be looked at.

    Attributes:
      reason: 'syntax_error' or 'too_deep'.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclasses.dataclass(slots=True, eq=False)
class Scope:
    """A module, class, function, lambda or comprehension, and its names.

    Attributes:
      node: that makes it.
      parent: the scope around it; None of a module.
      bound: for each name, the nodes that bind it, in order: Name, arg, alias, def, class,
        ExceptHandler, MatchAs, MatchStar or MatchMapping.
      used: for each name, the nodes that read it here, and those that delete or augment it.
      elsewhere: names declared global or nonlocal here, by which of the two.
      consumed: names bound here that are used here or further in.
    """

    node: ast.AST
    parent: Scope | None
    bound: dict[str, list[ast.AST]] = dataclasses.field(default_factory=dict)
    used: dict[str, list[ast.AST]] = dataclasses.field(default_factory=dict)
    elsewhere: dict[str, str] = dataclasses.field(default_factory=dict)
    consumed: set[str] = dataclasses.field(default_factory=set)

    @property
    def is_function(self) -> bool:
        """Whether it is a function, not a lambda."""
        return isinstance(self.node, FUNCTIONS)

    def frame(self) -> Scope:
        """The module, class, function or lambda around, or this one."""
        scope = self
        while isinstance(scope.node, _COMPREHENSIONS):
            scope = scope.parent
        return scope


class Tree:
    """A parsed module.

    Attributes:
      root: the module.
      tokens: of its text.
      parent: of every node but the root.
      scope: in which a node stands; a function stands in the scope around it.
      inner: the scope that a function, class, lambda or comprehension makes.
      scopes: all, the module first.
      undefined: uses of names bound nowhere, which may be builtins.
      annotation_names: words in annotations that are strings.
    """

    def __init__(self, root: ast.Module, tokens: Tokens) -> None:
        self.root, self.tokens = root, tokens
        self.nodes: dict[type, list[Any]] = defaultdict(list)
        self.parent: dict[ast.AST, ast.AST] = {}
        self.scope: dict[ast.AST, Scope] = {}
        self.inner: dict[ast.AST, Scope] = {}
        self.scopes: list[Scope] = []
        self.undefined: list[ast.AST] = []
        self.annotation_names: set[str] = set()
        for position in tokens.comments:
            if tokens.strings[position].startswith("# type:"):
                self.annotation_names.update(_NAME.findall(tokens.strings[position][7:]))
        self._walk()
        self._resolve()

    def of(self, *types: type) -> list[Any]:
        """The nodes of some types; those of one type are in the order of the source."""
        if len(types) == 1:
            return self.nodes[types[0]]
        return [node for type in types for node in self.nodes[type]]

    @property
    def module(self) -> Scope:
        """The outermost scope."""
        return self.scopes[0]

    def _open(self, node: ast.AST, parent: Scope | None) -> Scope:
        scope = Scope(node, parent)
        self.scopes.append(scope)
        self.inner[node] = scope
        return scope

    def _walk(self) -> None:
        nodes, parents, scopes = self.nodes, self.parent, self.scope
        stack: list[tuple[ast.AST, Scope]] = []
        module = self._open(self.root, None)
        scopes[self.root] = module
        stack.extend((node, module) for node in reversed(self.root.body))
        parents.update((node, self.root) for node in self.root.body)
        while stack:
            node, scope = stack.pop()
            kind = node.__class__
            nodes[kind].append(node)
            scopes[node] = scope
            if kind is ast.Name:
                self._name(node, scope)
                continue
            if kind is ast.Constant:
                continue
            if special := _SPECIAL.get(kind):
                children = special(self, node, scope)
            else:
                children = []
                for field in _FIELDS[kind]:
                    value = getattr(node, field, None)
                    if value.__class__ is list:
                        children += [(child, scope) for child in value if child is not None]
                    elif value is not None:
                        children.append((value, scope))
            for child, _ in children:
                parents[child] = node
            children.reverse()
            stack += children

    def _name(self, node: ast.Name, scope: Scope) -> None:
        name = node.id
        if node.ctx.__class__ is ast.Load:
            scope.used.setdefault(name, []).append(node)
            return
        if node.ctx.__class__ is ast.Del or self.parent[node].__class__ is ast.AugAssign:
            scope.used.setdefault(name, []).append(node)
            if node.ctx.__class__ is ast.Del:
                return
        self._bind(name, node, scope)

    def _bind(self, name: str, node: ast.AST, scope: Scope) -> None:
        where = scope.elsewhere.get(name)
        if where == "global":
            scope = self.scopes[0]
        elif where:
            while scope.parent is not None and (
                scope.elsewhere.get(name) or name not in scope.bound
            ):
                scope = scope.parent
        scope.bound.setdefault(name, []).append(node)

    def _function(self, node: Any, scope: Scope) -> list[tuple[ast.AST, Scope]]:
        self._bind(node.name, node, scope)
        inner = self._open(node, scope)
        outside = [*node.decorator_list]
        children = self._arguments(node.args, inner, outside)
        if node.returns is not None:
            outside.append(node.returns)
            self._annotation(node.returns)
        # declarations come first: they hold for the whole function
        return [*[(child, scope) for child in outside], *children,
                *[(child, inner) for child in node.body]]  # fmt: skip

    def _lambda(self, node: ast.Lambda, scope: Scope) -> list[tuple[ast.AST, Scope]]:
        inner = self._open(node, scope)
        outside: list[ast.AST] = []
        children = self._arguments(node.args, inner, outside)
        return [*[(child, scope) for child in outside], *children, (node.body, inner)]

    def _arguments(
        self, arguments: ast.arguments, inner: Scope, outside: list[ast.AST]
    ) -> list[tuple[ast.AST, Scope]]:
        """Binds the arguments; adds to `outside` what is evaluated before the function is made."""
        found = []
        for argument in (*arguments.posonlyargs, *arguments.args, arguments.vararg,
                         *arguments.kwonlyargs, arguments.kwarg):  # fmt: skip
            if argument is None:
                continue
            inner.bound.setdefault(argument.arg, []).append(argument)
            found.append((argument, inner))
            if argument.annotation is not None:
                outside.append(argument.annotation)
                self._annotation(argument.annotation)
        outside += arguments.defaults
        outside += [default for default in arguments.kw_defaults if default is not None]
        return found

    def _class(self, node: ast.ClassDef, scope: Scope) -> list[tuple[ast.AST, Scope]]:
        self._bind(node.name, node, scope)
        inner = self._open(node, scope)
        outside = [*node.decorator_list, *node.bases, *node.keywords]
        return [*[(child, scope) for child in outside], *[(child, inner) for child in node.body]]

    def _comprehension(self, node: Any, scope: Scope) -> list[tuple[ast.AST, Scope]]:
        inner = self._open(node, scope)
        children: list[tuple[ast.AST, Scope]] = []
        for number, generator in enumerate(node.generators):
            self.parent[generator] = node
            self.scope[generator] = inner
            self.nodes[ast.comprehension].append(generator)
            children.append((generator.iter, inner if number else scope))
            children.append((generator.target, inner))
            children += [(test, inner) for test in generator.ifs]
        if isinstance(node, ast.DictComp):
            return [*children, (node.key, inner), (node.value, inner)]
        return [*children, (node.elt, inner)]

    def _walrus(self, node: ast.NamedExpr, scope: Scope) -> list[tuple[ast.AST, Scope]]:
        self._bind(node.target.id, node.target, scope.frame())
        return [(node.value, scope)]

    def _imports(self, node: Any, scope: Scope) -> list[tuple[ast.AST, Scope]]:
        for alias in node.names:
            name = alias.asname or (
                alias.name.partition(".")[0] if isinstance(node, ast.Import) else alias.name
            )
            if name != "*":
                self._bind(name, alias, scope)
        return [(alias, scope) for alias in node.names]

    def _declare(self, node: Any, scope: Scope) -> list[tuple[ast.AST, Scope]]:
        kind = "global" if isinstance(node, ast.Global) else "nonlocal"
        scope.elsewhere.update(dict.fromkeys(node.names, kind))
        return []

    def _handler(self, node: ast.ExceptHandler, scope: Scope) -> list[tuple[ast.AST, Scope]]:
        if node.name:
            self._bind(node.name, node, scope)
        kind = [node.type] if node.type is not None else []
        return [(child, scope) for child in (*kind, *node.body)]

    def _pattern(self, node: Any, scope: Scope) -> list[tuple[ast.AST, Scope]]:
        name = node.rest if isinstance(node, ast.MatchMapping) else node.name
        if name:
            self._bind(name, node, scope)
        inner = [getattr(node, field, None) for field in ("keys", "patterns", "pattern")]
        found = [child for part in inner if part is not None
                 for child in (part if isinstance(part, list) else [part])]  # fmt: skip
        return [(child, scope) for child in found]

    def _annotated(self, node: ast.AnnAssign, scope: Scope) -> list[tuple[ast.AST, Scope]]:
        self._annotation(node.annotation)
        value = [node.value] if node.value is not None else []
        return [(child, scope) for child in (node.target, node.annotation, *value)]

    def _annotation(self, node: ast.AST) -> None:
        if node.__class__ is ast.Name:
            return
        for inner in ast.walk(node):
            if inner.__class__ is ast.Constant and inner.value.__class__ is str:
                self.annotation_names.update(_NAME.findall(inner.value))

    def _resolve(self) -> None:
        """Finds the scope of every name that is used."""
        for scope in self.scopes:
            for name, uses in scope.used.items():
                if scope.elsewhere.get(name) == "global":
                    home = self.scopes[0] if name in self.scopes[0].bound else None
                else:
                    home = lookup(scope, name)
                if home is not None:
                    home.consumed.add(name)
                else:
                    self.undefined += uses


def lookup(scope: Scope, name: str) -> Scope | None:
    """The scope in which a name that is used in `scope` is bound, or None."""
    if name in scope.bound:
        return scope
    home = scope.parent
    while home is not None:
        if name in home.bound and home.node.__class__ is not ast.ClassDef:
            return home
        home = home.parent
    return None


_SKIPPED = {"ctx", "op", "ops", "type_ignores", "type_comment", "kind"}
_FIELDS = {
    kind: tuple(
        field
        for field in kind._fields
        if field not in _SKIPPED and not (kind in (ast.keyword, ast.alias) and field != "value")
        and field not in ("attr", "id", "arg", "name", "names", "level", "module", "simple",
                          "conversion", "lineno", "kwd_attrs")
    )
    if kind not in (ast.arg, ast.MatchSingleton)  # outside the scope; no node
    else ()
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}  # fmt: skip
_SPECIAL = {
    ast.FunctionDef: Tree._function,
    ast.AsyncFunctionDef: Tree._function,
    ast.Lambda: Tree._lambda,
    ast.ClassDef: Tree._class,
    ast.ListComp: Tree._comprehension,
    ast.SetComp: Tree._comprehension,
    ast.DictComp: Tree._comprehension,
    ast.GeneratorExp: Tree._comprehension,
    ast.NamedExpr: Tree._walrus,
    ast.Import: Tree._imports,
    ast.ImportFrom: Tree._imports,
    ast.Global: Tree._declare,
    ast.Nonlocal: Tree._declare,
    ast.ExceptHandler: Tree._handler,
    ast.MatchAs: Tree._pattern,
    ast.MatchStar: Tree._pattern,
    ast.MatchMapping: Tree._pattern,
    ast.AnnAssign: Tree._annotated,
}


def check_nesting(tokens: Tokens) -> None:
    """Refuses source whose nesting could overflow a parser.

    Raises:
      CannotParse: it is too deep.
    """
    brackets = max(tokens.depths, default=0)
    blocks = max((block for _, _, block in tokens.logical), default=0)
    elifs = longest = 0
    deep_elif = 0
    for position, _, block in tokens.logical:
        if tokens.strings[position] == "elif":
            elifs += 1
            deep_elif = block
            longest = max(longest, elifs)
        elif block <= deep_elif:
            elifs = 0
    for what, found, most in (
        ("brackets", brackets, MAX_BRACKETS),
        ("blocks", blocks, MAX_BLOCKS),
        ("levels of an expression", tokens.nesting, MAX_NESTING),
        ("branches of an if", longest, MAX_ELIFS),
    ):
        if found > most:
            raise CannotParse("too_deep", f"{found} > {most} {what}")


def parse(text: str) -> Tree:
    """Parses a module.

    Raises:
      CannotParse: it is not valid Python, or too deep.
    """
    tokens = tokens_of(text)
    check_nesting(tokens)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Tree(ast.parse(text), tokens)
    except SyntaxError as error:
        where = f" (line {error.lineno})" if error.lineno else ""
        raise CannotParse("syntax_error", f"{error.msg}{where}") from None
    except (RecursionError, MemoryError):
        raise CannotParse("too_deep", "the parser's stack is too small for it") from None
    except ValueError as error:  # a null byte, an integer of too many digits
        raise CannotParse("syntax_error", str(error)[:200]) from None
