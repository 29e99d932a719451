"""WARC and WET: crawled pages as records with the fields text, url, date and record_id."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding

from research.corpora.document import MAX_DOCUMENT_BYTES
from research.corpora.records import Bad, Record

HTML_TYPES = ("text/html", "application/xhtml+xml")
_TOO_LARGE = f"record larger than {MAX_DOCUMENT_BYTES >> 20} MiB"


def read_warc(stream: io.BufferedIOBase, keep_html: bool = False) -> Iterator[tuple[int, Record]]:
    """Every HTML response of a WARC; other responses are `Bad`.

    Records that are no captured resource (requests, metadata, revisits) only count in the number.

    Args:
      stream: the archive, decompressed.
      keep_html: the text is the page as it came, decoded; else what it says.

    Raises:
      OSError: the archive is damaged or ends in the middle of a record.
    """
    kinds = WarcRecordType.response | WarcRecordType.resource
    for number, record in _records(stream, kinds):
        yield number, record if isinstance(record, Bad) else _html_record(record, keep_html)


def _html_record(record: WarcRecord, keep_html: bool) -> Record:
    url = record.headers.get("WARC-Target-URI") or ""
    content_type, charset = record.headers.get("Content-Type"), None
    try:
        if record.is_http:
            record.parse_http(auto_decode="all")
            status = record.http_headers.status_code
            if status is None or not 200 <= status < 300:
                return Bad(f"HTTP status {status}", url)
            content_type, charset = record.http_content_type, record.http_charset
        content_type = (content_type or "none").partition(";")[0].strip().lower()
        if content_type not in HTML_TYPES:
            return Bad(f"not HTML but {content_type}", url)
        body = record.reader.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:  # the record is whole: the server sent it so
        return Bad("HTTP response that cannot be decoded", f"{url} {error}")
    if len(body) > MAX_DOCUMENT_BYTES:
        return Bad(_TOO_LARGE, url)
    html = decode_html(body, charset)
    if keep_html:
        return _fields(record, html) | {"format": "html"}
    return _fields(record, extract_plain_text(html, preserve_formatting=True))


def read_wet(stream: io.BufferedIOBase) -> Iterator[tuple[int, Record]]:
    """The conversion records of a WET file: text extracted by the crawler.

    Raises:
      OSError: the archive is damaged or ends in the middle of a record.
    """
    for number, record in _records(stream, WarcRecordType.conversion):
        if isinstance(record, Bad):
            yield number, record
            continue
        fields = _fields(record, record.reader.read())
        if language := record.headers.get("WARC-Identified-Content-Language"):
            fields["language"] = language
        yield number, fields


def decode_html(body: bytes, charset: str | None) -> str:
    """Decodes a page by the charset of its header, else of its meta tag, else by its bytes."""
    try:
        return bytes_to_str(body, charset or detect_encoding(body, from_html_meta=True))
    except LookupError:  # a charset nobody knows
        return bytes_to_str(body, detect_encoding(body))


def _records(stream: io.BufferedIOBase, kinds: int) -> Iterator[tuple[int, WarcRecord | Bad]]:
    # The stream comes decompressed: fastwarc's own decompression takes a truncated file for a
    # finished one.  For the same reason every record is checked for its full length.
    tail = _Tail(stream)
    iterator = ArchiveIterator(tail, parse_http=False, stream_detect=False)
    number = 0
    for number, record in enumerate(iterator, start=1):
        length = record.content_length
        if not record.record_type & kinds or length > MAX_DOCUMENT_BYTES:
            if record.record_type & kinds:
                yield number, Bad(_TOO_LARGE, record.headers.get("WARC-Target-URI") or "")
            complete = record.consume() == length
        else:
            record.freeze()
            complete = record.content_length == length
            if complete:
                yield number, record
        if not complete:
            raise OSError(f"record {number} ends before its {length} bytes")
    if not number:
        raise OSError("no WARC record in it")
    if not tail.last.endswith((b"\r\n\r\n", b"\n\n")):  # cut within a record's header
        raise OSError("it does not end as a record does")


class _Tail:
    """Passes a stream on and remembers its position and last bytes."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream, self._position, self.last = stream, 0, b""

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read1(size)  # what precedes damage comes out before it raises
        self._position += len(data)
        self.last = (self.last + data[-4:])[-4:]
        return data

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        self._stream.close()


def _fields(record: WarcRecord, text: str | bytes) -> dict[str, str | bytes]:
    fields = {"text": text}
    for name, header in (
        ("url", "WARC-Target-URI"), ("date", "WARC-Date"), ("record_id", "WARC-Record-ID")
    ):  # fmt: skip
        if value := record.headers.get(header):
            fields[name] = value
    return fields


def write_response(
    out: BinaryIO, *, url: str, date: str, record_id: str, content_type: str, body: bytes
) -> None:
    """Appends a captured page to a WARC.

    Args:
      out: an open archive.
      url: of the page.
      date: of the capture, ISO 8601 in UTC.
      record_id: a URI, unique.
      content_type: as the server declared it.
      body: the page.
    """
    http = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    record = WarcRecord()
    record.init_headers(WarcRecordType.response)
    for header, value in (
        ("WARC-Target-URI", url), ("WARC-Date", date), ("WARC-Record-ID", f"<{record_id}>")
    ):  # fmt: skip
        record.headers[header] = value
    record.is_http = True
    record.set_bytes_content(http.encode() + body)
    record.write(out)
