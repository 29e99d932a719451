"""Gin files read strictly: every binding is known, used, set once, and traceable to its line.

The grammar is Gin's own (its parser is used); what is resolved is only literals, macros
(`WIDTH = 256`, then `%WIDTH`) and `include`.  Nothing is looked up in Gin's global registry and
nothing is called, so a configuration can set fields and do nothing else.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import io
import re
import tokenize
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn

from gin import config_parser

from research.errors import GristmillError

MAX_INCLUDES = 2


@dataclasses.dataclass(frozen=True)
class Binding:
    """A value and where it was set: 'file:line' or the text of a --gin option."""

    value: Any
    where: str
    override: bool


@dataclasses.dataclass(frozen=True)
class _Macro:
    name: str
    where: str


def add_options(parser: argparse.ArgumentParser) -> None:
    """Gives a command `--gin_file` and `--gin`, which `read` takes as its first two arguments."""
    parser.add_argument(
        "--gin-file", action="append", default=[], metavar="FILE", help="configuration; repeatable"
    )
    parser.add_argument(
        "--gin", action="append", default=[], metavar="A.B=C", help="overrides a field; repeatable"
    )


class _Delegate(config_parser.ParserDelegate):
    """Builds the two kinds of Gin value that are no literals."""

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> NoReturn:
        raise ValueError(f"@{scoped_configurable_name}: values are literals or %macros")

    def macro(self, macro_name: str) -> _Macro:
        return _Macro(macro_name, "")


def read(
    files: Sequence[str], options: Sequence[str], sections: Mapping[str, type]
) -> dict[str, dict[str, Binding]]:
    """Reads gin files and --gin options.

    Args:
      files: paths; a path in an `include` is relative to the file that it stands in.
      options: 'section.field=value'; they override what files set.
      sections: the dataclass whose fields each section binds.

    Returns:
      {section: {field: Binding}}, macros replaced.

    Raises:
      GristmillError: with the file and line: a file that is missing or not Gin; more than two
        levels of include; a section, field or macro that does not exist; a macro that nothing
        uses; a binding that is set in two places.
    """
    macros: dict[str, Binding] = {}
    found: dict[tuple[str, str], Binding] = {}
    for name in files:
        for statement, where in _statements(Path(name), 0, ()):
            _bind(statement, Binding(statement.value, where, False), found, macros, sections)
    for text in options:
        where = f"--gin {text!r}"
        for statement in _parse(text, where):
            if not isinstance(statement, config_parser.BindingStatement):
                raise GristmillError(f"{where}: give a binding, section.field=value")
            _bind(statement, Binding(statement.value, where, True), found, macros, sections)
    used: set[str] = set()
    result: dict[str, dict[str, Binding]] = {section: {} for section in sections}
    for (section, field), binding in found.items():
        try:
            value = _substitute(binding.value, binding.where, macros, used, ())
        except (RecursionError, TypeError) as error:
            raise GristmillError(f"{binding.where}: {_why(error)}") from None
        result[section][field] = dataclasses.replace(binding, value=value)
    for name, binding in macros.items():
        if name not in used:
            raise GristmillError(f"{binding.where}: nothing uses the macro {name}")
    return result


def _statements(path: Path, depth: int, outer: tuple[Path, ...]) -> Iterable[tuple[Any, str]]:
    """(binding, 'file:line') of a file and of the files it includes, in order."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise GristmillError(f"{path}: no such gin file") from None
    except UnicodeDecodeError:
        raise GristmillError(f"{path} is no text, so no gin file") from None
    for statement in _parse(text, str(path)):
        where = f"{path}:{statement.location.line_num}"
        if isinstance(statement, config_parser.IncludeStatement):
            if depth == MAX_INCLUDES:
                chain = " -> ".join(map(str, (*outer, path, statement.filename)))
                raise GristmillError(
                    f"{where}: files are included at most {MAX_INCLUDES} levels deep ({chain})"
                )
            included = path.parent / statement.filename
            if not included.exists():
                raise GristmillError(f"{where}: it includes {included}, which does not exist")
            yield from _statements(included, depth + 1, (*outer, path))
        elif isinstance(statement, config_parser.BindingStatement):
            yield statement, where
        elif isinstance(statement, config_parser.ImportStatement):
            raise GristmillError(f"{where}: gin files import nothing; bindings are values")


def _parse(text: str, where: str) -> list[Any]:
    try:
        return list(config_parser.ConfigParser(io.StringIO(text), _Delegate()))
    except SyntaxError as error:
        line = error.lineno
        message = error.msg
        if word := re.fullmatch(r"malformed node .*\n *Failed to parse token '(.*)'", message):
            message = f"{word[1]} is no value; words need quotes: \"A.B='{word[1]}'\""
    except (RecursionError, TypeError) as error:
        message, line = _why(error), None
    except tokenize.TokenError as error:
        message, (line, _) = error.args
    except ValueError as error:  # of the delegate, with Gin's account of the place appended
        message, line = str(error).strip().splitlines()[0], _line_of(text, str(error))
    place = where if where.startswith("--gin") or line is None else f"{where}:{line}"
    raise GristmillError(f"{place}: {' '.join(str(message).split())}")


def _why(error: RecursionError | TypeError) -> str:
    """What is wrong with a value of lists and mappings."""
    return "nested too deeply" if isinstance(error, RecursionError) else f"no value ({error})"


def _line_of(text: str, message: str) -> int | None:
    """The line that an error which quotes a reference speaks of."""
    name = message.partition(":")[0]
    numbers = [n for n, line in enumerate(text.splitlines(), 1) if name in line]
    return numbers[0] if numbers else None


def _bind(
    statement: Any,
    binding: Binding,
    found: dict[tuple[str, str], Binding],
    macros: dict[str, Binding],
    sections: Mapping[str, type],
) -> None:
    """Files one binding under its field, or under the macros."""
    section, field = statement.selector, statement.arg_name
    if statement.scope:
        raise GristmillError(
            f"{binding.where}: {statement.scope}/{section}: there are no scopes here"
        )
    if not field:
        _once(macros, section, section, binding)
        return
    if section not in sections:
        raise GristmillError(
            f"{binding.where}: unknown section {section}; {closest(section, sections)}"
        )
    fields = [f.name for f in dataclasses.fields(sections[section])]
    if field not in fields:
        raise GristmillError(
            f"{binding.where}: {section} has no field {field}; {closest(field, fields)}"
        )
    _once(found, (section, field), f"{section}.{field}", binding)


def _once(table: dict, key: Any, name: str, binding: Binding) -> None:
    """Stores a binding; only an option may set again what a file has set."""
    before = table.get(key)
    if before is not None and before.override == binding.override:
        raise GristmillError(
            f"{binding.where}: {name} is set already at {before.where}; "
            "set it in one place, or override it by --gin"
        )
    table[key] = binding


def _substitute(
    value: Any, where: str, macros: Mapping[str, Binding], used: set[str], inside: tuple[str, ...]
) -> Any:
    """`value` with every macro in it replaced."""
    if isinstance(value, _Macro):
        if value.name not in macros:
            raise GristmillError(f"{where}: no macro {value.name}; {closest(value.name, macros)}")
        if value.name in inside:
            raise GristmillError(f"{where}: the macro {value.name} is defined by itself")
        used.add(value.name)
        found = macros[value.name]
        return _substitute(found.value, found.where, macros, used, (*inside, value.name))
    if isinstance(value, dict):
        items = [(key, item) for key, item in value.items()]
        return {
            _substitute(k, where, macros, used, inside): _substitute(v, where, macros, used, inside)
            for k, v in items
        }
    if isinstance(value, list | tuple):
        return type(value)(_substitute(item, where, macros, used, inside) for item in value)
    return value


def closest(name: str, names: Iterable[str]) -> str:
    """What a name that is not among some names may have meant, for an error's remedy."""
    names = sorted(names)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"there are {', '.join(names)}" if names else "there are none"


def placed(error: GristmillError, bindings: Mapping[str, Mapping[str, Binding]]) -> GristmillError:
    """The error, beginning with the line of the binding that it speaks of, if there is one."""
    text = str(error)
    named = re.match(r"(\w+)[. ](\w+)", text)
    found = bindings.get(named[1], {}).get(named[2]) if named else None
    return GristmillError(f"{found.where}: {text}") if found else error


def build(cls: type, values: Mapping[str, Any], section: str) -> Any:
    """Makes a dataclass from plain values, checking and converting each by its annotation.

    Args:
      cls: the dataclass.
      values: by field; nested dataclasses as mappings.
      section: how errors call it.

    Raises:
      GristmillError: a field that is missing, unknown or of the wrong type, or what `cls` itself
        refuses.  The message begins with 'section.field'.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for name in values:
        if name not in fields:
            raise GristmillError(f"{section}.{name}: unknown; {closest(name, fields)}")
    made = {}
    for name, field in fields.items():
        if name in values:
            made[name] = convert(values[name], hints[name], f"{section}.{name}")
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise GristmillError(f"{section}.{name} is not set, and has no default; set it")
    return cls(**made)


def convert(value: Any, annotation: Any, where: str) -> Any:
    """`value` as what `annotation` says: numbers, strings, Literal, unions, tuples, mappings,
    dataclasses.

    Raises:
      GristmillError: it is something else.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (annotation,) = (a for a in arguments if a is not type(None))
        return convert(value, annotation, where)
    if origin is Literal:
        if value in arguments and type(value) in {type(a) for a in arguments}:
            return value
        raise GristmillError(f"{where} is one of {', '.join(map(str, arguments))}, not {value!r}")
    if dataclasses.is_dataclass(annotation) and isinstance(value, Mapping):
        return build(annotation, value, where)
    if origin is tuple and isinstance(value, list | tuple):
        if arguments[-1] is Ellipsis:
            return tuple(convert(v, arguments[0], f"{where}[{i}]") for i, v in enumerate(value))
        if len(value) == len(arguments):
            pairs = zip(value, arguments, strict=True)
            return tuple(convert(v, a, f"{where}[{i}]") for i, (v, a) in enumerate(pairs))
    elif isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, Mapping):
        key, item = arguments
        return {
            convert(k, key, where): convert(v, item, f"{where}[{k!r}]") for k, v in value.items()
        }
    elif annotation is bool or isinstance(value, bool):
        if annotation is bool and isinstance(value, bool):
            return value
    elif annotation is int and isinstance(value, int | float) and float(value).is_integer():
        return int(value)
    elif annotation is float and isinstance(value, int | float):
        return float(value)
    elif annotation is str and isinstance(value, str):
        return value
    name = getattr(annotation, "__name__", None) if origin is None else None
    raise GristmillError(f"{where} is {value!r}; it must be {name or annotation}")
