"""Readers: files of any common format as streams of documents.

A reader yields `(number, record)` for every record of a file, counted from 1; what cannot be a
record is a `Bad`.  `open_units` makes them documents by one mapping of fields, the same for all
formats, so that any id traces to its file and record.
"""

from __future__ import annotations

import gzip
import json
import lzma
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from research.corpora import web_archives
from research.corpora.addresses import InputFile, expand, file_system, one_line, stored_identity
from research.corpora.document import MAX_DOCUMENT_BYTES, Document, Quarantined, Unit
from research.corpora.records import TOO_DEEP, Ancestry, Bad, Fields, Record, to_document
from research.errors import GristmillError

Records = Iterator[tuple[int, Record]]

SUFFIXES = {  # of the files taken from a folder
    "jsonl": (".jsonl", ".json", ".ndjson"),
    "parquet": (".parquet",),
    "warc": (".warc",),
    "warc_html": (".warc",),
    "wet": (".wet",),
    "tfds": (),
    "files": (),
}
LANGUAGES = {
    ".c": "c", ".cc": "c++", ".cpp": "c++", ".cs": "c#", ".css": "css", ".go": "go",
    ".h": "c", ".hpp": "c++", ".hs": "haskell", ".html": "html", ".java": "java", ".jl": "julia",
    ".js": "javascript", ".json": "json", ".kt": "kotlin", ".lua": "lua", ".md": "markdown",
    ".ml": "ocaml", ".php": "php", ".pl": "perl", ".py": "python", ".pyi": "python", ".r": "r",
    ".rb": "ruby", ".rs": "rust", ".rst": "rst", ".scala": "scala", ".sh": "shell", ".sql": "sql",
    ".swift": "swift", ".tex": "latex", ".toml": "toml", ".ts": "typescript", ".txt": "text",
    ".xml": "xml", ".yaml": "yaml", ".yml": "yaml",
}  # fmt: skip
# What decompressors and parsers raise on damaged bytes; a fault of the storage or the network
# comes as a GristmillError (see addresses) and is never taken for damage.
DAMAGE = (OSError, EOFError, lzma.LZMAError, pa.ArrowException)
TOO_LARGE = f"record larger than {MAX_DOCUMENT_BYTES >> 20} MiB"
BATCH_ROWS = 64
MAX_SEEN = 100


def open_units(
    corpus: str,
    format: str,
    paths: Sequence[str],
    fields: Fields,
    *,
    split: str = "train",
    ancestry: Ancestry | None = None,
    keep_damaged: bool = False,
    seen: set[str] | None = None,
) -> list[Unit]:
    """The units of a corpus: one for each file (for TFDS one for each shard).

    Args:
      corpus: its name, the source of its documents and the beginning of ids made here.
      format: a key of `SUFFIXES`.
      paths: glob patterns, folders or addresses; for TFDS the folder of a prepared dataset.
      fields: which fields of a record mean what.
      split: of a TFDS dataset.
      ancestry: finds the roots of documents with parents; None where the parents are originals.
      keep_damaged: take what precedes the damage of a damaged file, and quarantine the rest.
      seen: collects names of fields that the records read have.

    Raises:
      GristmillError: nothing to read there, or an unknown format.
    """
    if format not in SUFFIXES:
        raise GristmillError(f"unknown format {format!r}; the formats are {', '.join(SUFFIXES)}")
    if format == "tfds":
        inputs = [shard for path in paths for shard in _tfds_shards(path, split, fields)]
    else:
        inputs = [
            (
                file.name,
                file.shown,
                file.identity,
                lambda file=file: read_file(file, format, fields),
            )
            for file in expand(paths, SUFFIXES[format])
        ]

    def unit(name: str, shown: str, identity: Any, records: Callable[[], Records]) -> Unit:
        def read() -> Iterator[Document | Quarantined]:
            stream = _with_texts(records(), fields) if fields.text_address else records()
            for number, record in _until_damage(stream, shown, format, keep_damaged):
                if seen is not None and len(seen) < MAX_SEEN and not isinstance(record, Bad):
                    seen.update(record)
                where, id = f"{name}:{number}", f"{corpus}/{name}#{number}"
                if format == "files":
                    where, id = name, f"{corpus}/{name}"
                yield to_document(record, fields, corpus, where, id, ancestry)

        return Unit(name, identity, read)

    return [unit(*entry) for entry in inputs]


def read_file(file: InputFile, format: str, fields: Fields) -> Records:
    """The records of one file of any format but TFDS.

    Raises:
      GristmillError: it cannot be opened, or lacks the columns asked for.  Damaged bytes raise one
        of `DAMAGE`.
    """
    if format == "parquet":
        yield from _parquet(file, fields)
        return
    with file.open() as stream:
        if format == "jsonl":
            yield from read_jsonl(stream)
        elif format == "warc":
            yield from web_archives.read_warc(stream)
        elif format == "warc_html":
            yield from web_archives.read_warc(stream, keep_html=True)
        elif format == "wet":
            yield from web_archives.read_wet(stream)
        else:
            yield 1, _file_record(file, stream.read(MAX_DOCUMENT_BYTES + 1), fields)


def _until_damage(records: Records, shown: str, format: str, keep_damaged: bool) -> Records:
    number = 0
    try:
        for number, record in records:
            yield number, record
    except DAMAGE as error:
        if keep_damaged:
            reason = "damaged: the file could not be read from here on"
            yield number + 1, Bad(reason, one_line(error))
            return
        if number == 0:
            raise GristmillError(
                f"{shown} cannot be read as {format} ({one_line(error)}); fetch it again, correct "
                "its suffix or --format, or leave it out with --keep-damaged"
            ) from None
        raise GristmillError(
            f"{shown} is damaged or cut off after record {number} ({one_line(error)}); fetch it "
            "again and run the same command, or add --keep-damaged to do without the rest of it"
        ) from None


def read_jsonl(stream: Any) -> Records:
    """The objects of a stream of JSON lines; the number of a record is that of its line."""
    number = 0
    while line := stream.readline(MAX_DOCUMENT_BYTES + 1):
        number += 1
        if len(line) > MAX_DOCUMENT_BYTES and not line.endswith(b"\n"):
            excerpt, line = line[:200], b""  # free it before reading over the rest
            while (rest := stream.readline(1 << 20)) and not rest.endswith(b"\n"):
                pass
            yield number, Bad(TOO_LARGE, excerpt)
        elif line := line.strip():
            yield number, _json_record(line)


def _json_record(line: bytes) -> Record:
    try:
        record = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Bad("invalid UTF-8", line[:200])
    except ValueError:
        return Bad("invalid JSON", line[:200])
    except RecursionError:
        return Bad(TOO_DEEP, line[:200])
    return record if isinstance(record, dict) else Bad("not a JSON object", line[:200])


def _file_record(file: InputFile, data: bytes, fields: Fields) -> Record:
    if len(data) > MAX_DOCUMENT_BYTES:
        return Bad(TOO_LARGE, file.name)
    if b"\0" in data:
        return Bad("binary file", file.name)
    record = {fields.text: data, "path": file.name}
    if language := LANGUAGES.get(file.suffixes[0]):
        if language == "html":
            record[fields.text] = web_archives.decode_html(data, None)
        record["language"] = language
    return record


def _parquet(file: InputFile, fields: Fields) -> Records:
    remote = file.remote
    with (
        file.open_raw() as raw,
        # remote: whole column chunks in few requests; local: pages, so that memory stays small
        pq.ParquetFile(raw, pre_buffer=remote, buffer_size=0 if remote else 1 << 20) as parquet,
    ):
        schema = parquet.schema_arrow
        wanted = fields.required + list(fields.meta or ())
        wanted += [fields.encoding] if fields.encoding else []
        if fields.text_address:
            wanted += re.findall(r"\{(\w+)\}", fields.text_address)
        for field in wanted:
            if _column_type(schema, field) is None:
                columns = ", ".join(schema.names)
                raise GristmillError(f"{file.shown} has no column '{field}'; it has: {columns}")
        if not fields.text_address and not _is_text(kind := _column_type(schema, fields.text)):
            raise GristmillError(f"{file.shown}: column '{fields.text}' is {kind}, not text")
        if fields.meta is None:
            wanted += [column.name for column in schema if _is_plain(column.type)]
        number = 0
        for batch in parquet.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(wanted))):
            for record in _rows(batch):
                number += 1
                yield number, record


def _column_type(schema: pa.Schema, field: str) -> pa.DataType | None:
    if field in schema.names:
        return schema.field(field).type
    kind: Any = pa.struct(list(schema))
    for part in field.split("."):
        if not pa.types.is_struct(kind) or (index := kind.get_field_index(part)) < 0:
            return None
        kind = kind.field(index).type
    return kind


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        test(kind)
        for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view,
                     pa.types.is_binary, pa.types.is_large_binary)
    )  # fmt: skip


def _is_plain(kind: pa.DataType) -> bool:
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return not binary and not pa.types.is_nested(kind)


def _rows(batch: pa.RecordBatch) -> Iterator[Record]:
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:  # Parquet does not check its strings: find the rows at fault
        for row in range(batch.num_rows):
            try:
                record = batch.slice(row, 1).to_pylist()[0]
            except UnicodeDecodeError as error:
                record = Bad("invalid UTF-8", error.object[:200])
            yield record


def _with_texts(records: Records, fields: Fields) -> Records:
    """Adds the text of every record from its own address, many at a time."""
    window: list[tuple[int, Record]] = []
    for entry in records:
        window.append(entry)
        if len(window) == BATCH_ROWS:
            yield from _fetch(window, fields)
            window = []
    yield from _fetch(window, fields)


def _fetch(window: list[tuple[int, Record]], fields: Fields) -> Records:
    template = fields.text_address or ""
    # code archives are public buckets: no account is needed to read them
    options = {"anon": True} if template.startswith("s3://") else {}
    addresses = {
        number: re.sub(r"\{(\w+)\}", lambda match, r=record: str(r.get(match[1])), template)
        for number, record in window
        if not isinstance(record, Bad)
    }
    paths: dict[int, str] = {}
    found: dict[str, Any] = {}
    if addresses:
        fs, _ = file_system(template, **options)
        for number, address in addresses.items():
            paths[number] = file_system(address, **options)[1]
        found = fs.cat(sorted(set(paths.values())), on_error="return")
    for number, record in window:
        if not isinstance(record, Bad):
            data = found[paths[number]]
            record = _add_text(record, data, fields, addresses[number])
        yield number, record


def _add_text(record: Any, data: bytes | Exception, fields: Fields, address: str) -> Record:
    if isinstance(data, FileNotFoundError):
        return Bad("its text is not at its address", address)
    if isinstance(data, Exception):
        raise GristmillError(f"{address} cannot be read: {one_line(data)}; run the command again")
    try:
        text = gzip.decompress(data)
        if fields.encoding:
            text = text.decode(record.get(fields.encoding) or "utf-8")
    except (OSError, EOFError, zlib.error):
        return Bad("the text at its address is damaged", address)
    except (UnicodeDecodeError, LookupError):
        return Bad("its text is not in its encoding", address)
    return {**record, fields.text: text}


def _tfds_shards(
    path: str, split: str, fields: Fields
) -> list[tuple[str, str, Any, Callable[[], Records]]]:
    """Name, address, identity and records of every shard of a prepared TFDS dataset."""
    fs, folder = file_system(os.path.expanduser(path))
    if not fs.exists(f"{folder}/dataset_info.json"):
        prepared = [name.rpartition("/")[0] for name in fs.glob(f"{folder}/**/dataset_info.json")]
        if len(prepared) != 1:
            found = ", ".join(sorted(prepared)) or "none"
            raise GristmillError(
                f"{path} is not the folder of one prepared TFDS dataset (with its "
                f"dataset_info.json, as `tfds build` leaves it); below it: {found}"
            )
        folder = prepared[0]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf
    import tensorflow_datasets as tfds

    tf.config.set_visible_devices([], "GPU")  # the accelerator belongs to JAX
    try:
        builder = tfds.builder_from_directory(fs.unstrip_protocol(folder).removeprefix("file://"))
        splits, features = builder.info.splits, list(builder.info.features.keys())
    except Exception as error:  # it raises whatever parsing its files raises
        raise GristmillError(f"{folder} is no readable TFDS dataset: {one_line(error)}") from None
    if split not in splits:
        raise GristmillError(f"{folder} has no split '{split}'; it has: {', '.join(splits)}")
    for field in fields.required:
        if field.split(".")[0] not in features:
            raise GristmillError(
                f"{folder} has no feature '{field}'; it has: {', '.join(features)}"
            )

    def read(shard: int) -> Records:
        # one file after the other: the order never depends on threads
        config = tfds.ReadConfig(interleave_cycle_length=1, num_parallel_calls_for_decode=1)
        dataset = builder.as_dataset(split=f"{split}[{shard}shard]", read_config=config)
        try:
            for number, record in enumerate(tfds.as_numpy(dataset), start=1):
                yield number, _from_numpy(record)
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
            raise OSError(error.message.rpartition("}} ")[2].partition(" [Op:")[0]) from None

    return [
        (os.path.basename(file), str(file), stored_identity(str(file)), lambda i=i: read(i))
        for i, file in enumerate(splits[split].filepaths)
    ]


def _from_numpy(value: Any) -> Any:
    """NumPy's values as Python's; bytes become text where they are UTF-8."""
    if isinstance(value, dict):
        return {key: _from_numpy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_numpy(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _from_numpy(value.tolist())
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value
