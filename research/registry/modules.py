"""Python modules that define data: imported by dotted name or file, and recognised when changed."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path

from research import artefacts
from research.errors import GristmillError

_FILE_PREFIX = "gristmill_file_"
_imported: dict[str, str | None] = {}  # name: SHA-256 of its file when it was imported


def canonical_name(name: str) -> str:
    """A dotted name as it is; the path of a `.py` file made absolute."""
    return str(Path(name).resolve()) if name.endswith(".py") else name


def module_sha256(name: str) -> str | None:
    """SHA-256 of a module's file, without importing the module; None if it has none."""
    if name.endswith(".py"):
        path = Path(name)
    else:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        if spec is None or not spec.has_location:
            return None
        path = Path(spec.origin)
    return artefacts.sha256_file(path) if path.is_file() else None


def import_module(name: str) -> types.ModuleType:
    """Imports a module by its dotted name, or a `.py` file by its path.

    Raises:
      GristmillError: there is none; or it raises, then its file and line are named; or its file
        has changed since this process imported it.
    """
    name = canonical_name(name)
    now = module_sha256(name)
    if _imported.setdefault(name, now) != now:
        raise GristmillError(f"module {name} has changed since this process imported it: "
                             "start a new process")  # fmt: skip
    try:
        return _import_file(Path(name)) if name.endswith(".py") else importlib.import_module(name)
    except ModuleNotFoundError as error:
        del _imported[name]
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise GristmillError(
                f"no module {name}; give a dotted name that Python can import, or a .py file"
            ) from None
        raise GristmillError(f"{_place(error, name)}: {error}") from None
    except Exception as error:
        del _imported[name]
        message = str(error).splitlines()[0] if str(error) else ""
        kind = "" if isinstance(error, GristmillError) else f"{type(error).__name__}: "
        raise GristmillError(f"{_place(error, name)}: {kind}{message}") from None


def _import_file(path: Path) -> types.ModuleType:
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    module_name = f"{_FILE_PREFIX}{digest}_{path.stem}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    if not path.is_file():
        raise ModuleNotFoundError(name=str(path))
    spec = importlib.util.spec_from_file_location(module_name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def name_of(function: Callable) -> str:
    """The name by which `import_module` finds the module of a function, in any process."""
    module = sys.modules[function.__module__]
    by_file = module.__name__.startswith(_FILE_PREFIX) or module.__name__ == "__main__"
    return canonical_name(module.__file__) if by_file else module.__name__


def companions(name: str) -> set[str]:
    """The module, and the modules of its own package that are loaded with it."""
    if name.endswith(".py") or "." not in name:
        return {name}
    package = name.partition(".")[0] + "."
    return {name, *(loaded for loaded in sys.modules if loaded.startswith(package))}


def _place(error: Exception, name: str) -> str:
    """file:line where an import failed: in the module itself rather than in what it calls."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    spec = None if name.endswith(".py") else importlib.util.find_spec(name)
    own_file = spec.origin if spec else name
    own = [frame for frame in frames if frame.filename == own_file]
    frame = (own or list(frames))[-1]
    return f"{frame.filename}:{frame.lineno}"
