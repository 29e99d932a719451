"""The catalogue: every known corpus, where it lies, its licence, size and fields."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from research.corpora.document import Unit
from research.corpora.installed import SAMPLES, Sample
from research.corpora.readers import open_units
from research.corpora.records import Fields
from research.errors import GristmillError

TOOLS = {
    "warc": ("fastwarc", "resiliparse"),
    "wet": ("fastwarc",),
    "tfds": ("tensorflow-datasets",),
}


@dataclasses.dataclass(frozen=True)
class Entry:
    """A corpus that can be obtained.

    Attributes:
      name: what `corpora build` calls it.
      version: of its contents.
      licence: SPDX identifier or a few words.
      documents: how many, as its authors say; None where they do not.
      bytes: of its files as stored; None where its authors do not say.
      source: an installed package, or the address of its files.
      format: of the files; see `readers.SUFFIXES`.
      fields: which fields of a record mean what.
    """

    name: str
    version: str
    licence: str
    documents: int | None
    bytes: int | None
    source: Sample | str
    format: str = "parquet"
    fields: Fields = dataclasses.field(default_factory=Fields)

    @property
    def how(self) -> str:
        """Where it comes from, in a few words."""
        if isinstance(self.source, str):
            return self.source
        return f"package {self.source.package}=={self.source.version}"

    @property
    def definition(self) -> dict[str, Any]:
        """What decides its contents beside the files read."""
        if isinstance(self.source, Sample):
            return self.source.definition
        fields = {key: list(value) if isinstance(value, tuple) else value
                  for key, value in vars(self.fields).items()}  # fmt: skip
        return {"reader": self.format, "source": self.source, "fields": fields}

    @property
    def tools(self) -> tuple[str, ...]:
        """Distributions whose versions are worth recording."""
        if not isinstance(self.source, Sample):
            return TOOLS.get(self.format, ())
        return self.source.tools

    @property
    def part_bytes(self) -> int:
        """Samples are small, and still have several parts to work on in parallel."""
        return (4 if isinstance(self.source, Sample) else 64) << 20

    def open_units(self, keep_damaged: bool) -> list[Unit]:
        """The input, in order.

        Raises:
          GristmillError: the package is missing, or the address cannot be reached.
        """
        if isinstance(self.source, Sample):
            return self.source.open_units(self.name)
        path = self.source
        if self.format == "tfds" and (prepared := os.environ.get("TFDS_DATA_DIR")):
            path = path.replace("~/tensorflow_datasets", prepared)
        return open_units(self.name, self.format, [path], self.fields, keep_damaged=keep_damaged)


def find(name: str) -> Entry:
    """The entry of `name` or `name@version`.

    Raises:
      GristmillError: there is none.
    """
    entry = CATALOG.get(name.partition("@")[0])
    if entry is None:
        raise GristmillError(
            f"no corpus {name} in the catalogue; it has: {', '.join(CATALOG)} "
            "(files of your own: gristmill corpora import)"
        )
    if name not in (entry.name, f"{entry.name}@{entry.version}"):
        raise GristmillError(f"the catalogue has {entry.name} in version {entry.version} only")
    return entry


def _sample(name: str, licence: str, documents: int | None, size: int | None) -> Entry:
    return Entry(name, SAMPLES[name].version, licence, documents, size, SAMPLES[name])


_ENTRIES = [
    _sample("web_sample", "MIT (collection); pages © their authors", 954, 6_594_343),
    _sample("wiki_sample", "CC-BY-SA-3.0", 106, 2_841_224),
    _sample("code_sample", "PSF-2.0", None, None),
    _sample("math_sample", "Apache-2.0", 6_800, 3_410_636),
    _sample("docs_sample", "Apache-2.0", 6_002, 7_516_130),
]
CATALOG = {entry.name: entry for entry in _ENTRIES}
