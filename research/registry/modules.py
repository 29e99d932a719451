"""Modules that define data: Python's, imported by dotted name or file, and `.json` definitions of
the data root; either is recognised when changed."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import sys
import sysconfig
import traceback
import types
from collections.abc import Callable
from pathlib import Path

from research import artefacts
from research.errors import GristmillError
from research.registry.definitions import SUFFIX, definitions_file
from research.registry.interrupts import interrupts_kept

_FILE_PREFIX = "gristmill_file_"
_imported: dict[str, str | None] = {}  # of named modules and files: SHA-256 when imported here


def canonical_name(name: str) -> str:
    """A dotted name as it is; the path of a `.py` file made absolute."""
    return str(Path(name).resolve()) if name.endswith(".py") else name


def module_sha256(name: str) -> str | None:
    """SHA-256 of a module's file, without importing the module; None if it has none."""
    path = _file(name)
    return artefacts.sha256_file(path) if path is not None and path.is_file() else None


def _file(name: str) -> Path | None:
    if name.endswith(".py"):
        return Path(name)
    if name.endswith(SUFFIX):
        return definitions_file(artefacts.data_root(), name)
    try:
        spec = importlib.util.find_spec(name)
    except (Exception, SystemExit):  # it imports the packages around the module
        return None
    return Path(spec.origin) if spec is not None and spec.has_location else None


def import_module(name: str) -> types.ModuleType:
    """Imports a module by its dotted name, or a `.py` file by its path.

    Raises:
      GristmillError: there is none; or it raises, then its file and line are named; or a file has
        changed since this process imported it.
    """
    name = canonical_name(name)
    for known, sha256 in _imported.items():
        if module_sha256(known) != sha256:
            raise GristmillError(f"module {known} has changed since this process imported it: "
                                 "start a new process")  # fmt: skip
    before = user_files()
    try:
        with interrupts_kept():
            module = _import(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise GristmillError(
                f"no module {name}; give a dotted name that Python can import, or a .py file"
            ) from None
        raise GristmillError(f"{_place(error, name)}: {error}") from None
    except (Exception, SystemExit) as error:
        message = str(error).splitlines()[0] if str(error) else ""
        kind = "" if isinstance(error, GristmillError) else f"{type(error).__name__}: "
        raise GristmillError(f"{_place(error, name)}: {kind}{message}") from None
    finally:
        for file in user_files() - before:
            _imported[file] = module_sha256(file)
    _imported.setdefault(name, module_sha256(name))
    return module


def _import(name: str) -> types.ModuleType:
    if name.endswith(".py"):
        return _import_file(Path(name))
    if not all(part.isidentifier() for part in name.split(".")):
        raise ModuleNotFoundError(name=name)
    return importlib.import_module(name)


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
    if label(module.__name__) == module.__name__:
        return module.__name__
    return canonical_name(module.__file__)


def label(module_name: str) -> str:
    """The name of a module; of one known by its file that file's, wherever it lies."""
    file = getattr(sys.modules.get(module_name), "__file__", None)
    by_file = module_name.startswith(_FILE_PREFIX) or module_name == "__main__"
    return Path(file).stem if by_file and file else module_name


def is_users(module_name: str) -> bool:
    """Whether a module lies outside the standard library and the installed packages."""
    module = sys.modules.get(module_name)
    if module is None:
        file = _file(module_name)
        return file is not None and _is_users_file(str(file))
    return module_name == "__main__" or _is_users_file(_loaded_from(module))


def user_files() -> set[str]:
    """The `.py` files of the user's modules that this process has imported."""
    loaded = {name: _loaded_from(module) for name, module in list(sys.modules.items())}
    return {
        file
        for name, file in loaded.items()
        if name.partition(".")[0] not in ("research", "__main__")
        and file.endswith(".py")
        and _is_users_file(file)
    }


def _loaded_from(module: object) -> str:
    if not isinstance(module, types.ModuleType):
        return ""
    # past the module's own __getattribute__, by which some load themselves late
    file = types.ModuleType.__getattribute__(module, "__dict__").get("__file__")
    return file if isinstance(file, str) else ""


@functools.cache
def _is_users_file(file: str) -> bool:
    if not file or {"site-packages", "dist-packages"} & set(Path(file).parts):
        return False
    library = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return not any(Path(file).is_relative_to(path) for path in library)


def _place(error: BaseException, name: str) -> str:
    """file:line where an import failed: in the module itself rather than in what it calls."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    file = str(_file(name) or name)
    own = [frame for frame in frames if frame.filename == file]
    others = [frame for frame in frames[1:] if not frame.filename.startswith("<frozen ")]
    others = [frame for frame in others if frame.filename not in (__file__, importlib.__file__)]
    if not own + others:
        return file
    frame = (own or others)[-1]
    return f"{frame.filename}:{frame.lineno}"
