"""From a record to a document: which field is what, and why a record cannot be used."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from research.corpora.document import Corpus, Document, Quarantined, read_batches
from research.errors import GristmillError

TOO_DEEP = "nested too deeply"


@dataclasses.dataclass(frozen=True)
class Fields:
    """Which fields of a record mean what; a dotted name reaches into nested records.

    Attributes:
      text: the text.
      id: the id; None numbers the records of each file.
      meta: fields to keep; None keeps every plain value of the record's top level.
      parents: ids of the documents it was made from, one or a list; None for originals.
      text_address: where the text lies if not in the record: an address with `{field}`s, of a
        file with gzip compression.
      encoding: field naming the encoding of such a file.
    """

    text: str = "text"
    id: str | None = None
    meta: tuple[str, ...] | None = None
    parents: str | None = None
    text_address: str | None = None
    encoding: str | None = None

    @property
    def required(self) -> list[str]:
        """Fields every record must have."""
        text = [] if self.text_address else [self.text]
        return text + [field for field in (self.id, self.parents) if field]


@dataclasses.dataclass(frozen=True, slots=True)
class Bad:
    """What a reader met instead of a record."""

    reason: str
    excerpt: str | bytes = ""


Record = Mapping[str, Any] | Bad


class Ancestry:
    """The documents of finished corpora, by which imported rewrites find their roots."""

    def __init__(self, root: Path, corpora: Sequence[str]) -> None:
        """Reads the ids of the corpora, given as `name` or `name@version`.

        Raises:
          GristmillError: one is missing or damaged, or an id stands for different documents.
        """
        self.corpora = [Corpus.open(root, name) for name in corpora]
        self._roots: dict[str, tuple[str, ...]] = {}
        for corpus in self.corpora:
            for part in corpus.parts:
                for batch in read_batches(corpus.folder / part, ["id", "roots"]):
                    ids, roots = (batch[name].to_pylist() for name in ("id", "roots"))
                    for id, above in zip(ids, roots, strict=True):
                        known = self._roots.setdefault(id, found := tuple(above))
                        if (known or (id,)) != (found or (id,)):
                            raise GristmillError(
                                f"the id {id} in {corpus.name} is also that of a document with "
                                "other roots in another parent corpus; import them with ids that "
                                "differ, or name only the corpus the parents are in"
                            )

    def roots(self, parents: Sequence[str]) -> tuple[str, ...] | str:
        """The roots of a document with these parents, or the parent that is found nowhere."""
        roots: dict[str, None] = {}
        for parent in parents:
            if parent not in self._roots:
                return parent
            roots.update(dict.fromkeys(self._roots[parent] or (parent,)))
        return tuple(roots)


def lookup(record: Mapping[str, Any], field: str) -> Any:
    """The field's value; `a.b` is the field of that name, else field b of a.

    Raises:
      KeyError: there is none.
    """
    if field in record:
        return record[field]
    value: Any = record
    for part in field.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise KeyError(field)
        value = value[part]
    return value


def to_document(
    record: Record,
    fields: Fields,
    corpus: str,
    where: str,
    default_id: str,
    ancestry: Ancestry | None,
) -> Document | Quarantined:
    """The document a record holds, or the reason why it is none.

    Args:
      record: what a reader met.
      fields: which of its fields mean what.
      corpus: the document's source.
      where: the record's place, for a quarantine.
      default_id: the id of a record without an id field.
      ancestry: finds the roots; None where the parents are originals.
    """
    try:
        return _to_document(record, fields, corpus, where, default_id, ancestry)
    except RecursionError:
        return Quarantined(TOO_DEEP, where)


def _to_document(
    record: Record,
    fields: Fields,
    corpus: str,
    where: str,
    default_id: str,
    ancestry: Ancestry | None,
) -> Document | Quarantined:
    if isinstance(record, Bad):
        excerpt = record.excerpt
        if isinstance(excerpt, bytes):
            excerpt = excerpt.decode(errors="replace")
        return Quarantined(record.reason, where, excerpt[:200])
    values = {}
    for field in fields.required:
        try:
            values[field] = lookup(record, field)
        except KeyError:
            seen = f"the record has: {', '.join(map(str, record))}"
            return Quarantined(f"no field '{field}'", where, seen[:500])
        if values[field] is None:
            return Quarantined(f"field '{field}' is null", where, _excerpt(record))
    text = record[fields.text] if fields.text_address else values[fields.text]
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError:
            return Quarantined("invalid UTF-8", where, text[:200].decode(errors="replace"))
    if not isinstance(text, str):
        reason = f"field '{fields.text}' is not a string but {type(text).__name__}"
        return Quarantined(reason, where, _excerpt(record))
    parents: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    if fields.parents:
        value = values[fields.parents]
        parents = tuple(map(_as_id, value if isinstance(value, list) else [value]))
        if None in parents:
            return Quarantined(f"field '{fields.parents}' {_NO_ID}", where, _excerpt(record))
        roots = parents
        if ancestry:
            resolved = ancestry.roots(parents)
            if isinstance(resolved, str):
                return Quarantined("its parent is in none of the corpora", where, resolved)
            roots = resolved
    id = _as_id(values[fields.id]) if fields.id else default_id
    if id is None:
        return Quarantined(f"field '{fields.id}' {_NO_ID}", where, _excerpt(record))
    return Document(
        text=text,
        id=id,
        source=corpus,
        meta=_meta(record, fields),
        parents=parents,
        roots=roots,
    )


def _meta(record: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    if fields.meta is None:
        used = {fields.text, *fields.required}
        return {
            key: _plain(value)
            for key, value in record.items()
            if key not in used and not isinstance(value, Mapping | list | bytes)
        }
    meta = {}
    for field in fields.meta:
        try:
            meta[field] = _plain(lookup(record, field))
        except KeyError:
            continue
    return meta


def _plain(value: Any) -> Any:
    """The value as JSON has it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


_NO_ID = "is no id (neither an integer nor a string that is not empty)"


def _as_id(value: Any) -> str | None:
    """The value as an id, or None if it is none."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def _excerpt(record: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{key}: {str(value)[:40]}" for key, value in record.items())
    return shown[:200]
