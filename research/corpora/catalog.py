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
    "warc_html": ("fastwarc", "resiliparse"),
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
      bytes: of its records, uncompressed; None where its authors do not say.
      source: an installed package, or the address of its files.
      format: of the files; see `readers.SUFFIXES`.
      fields: which fields of a record mean what.
      note: what who trains on it should know.
    """

    name: str
    version: str
    licence: str
    documents: int | None
    bytes: int | None
    source: Sample | str
    format: str = "parquet"
    fields: Fields = dataclasses.field(default_factory=Fields)
    note: str = ""

    @property
    def how(self) -> str:
        """Where it comes from, in a few words."""
        note = f" ({self.note})" if self.note else ""
        if isinstance(self.source, str):
            return self.source + note
        return f"package {self.source.package}=={self.source.version}{note}"

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


def _sample(
    name: str, licence: str, documents: int | None, size: int | None, note: str = ""
) -> Entry:
    sample = SAMPLES[name]
    return Entry(name, sample.version, licence, documents, size, sample, note=note)


_HF = "hf://datasets/"
_STACK = Fields(
    id="blob_id",
    text_address="s3://softwareheritage/content/{blob_id}",
    encoding="src_encoding",
)

_ENTRIES = [
    _sample("web_sample", "MIT (collection); pages © their authors", 954, 6_594_343),
    _sample("web_pages", "MIT (collection); pages © their authors", 954, 70_003_614,
            "raw HTML of web_sample"),
    _sample("wiki_sample", "CC-BY-SA-3.0", 106, 2_847_284),
    _sample("code_sample", "PSF-2.0", None, None),
    _sample("math_sample", "Apache-2.0", 6_800, 3_410_636,
            "1,257 documents are GSM8K test items in other words: gristmill decontaminate"),
    _sample("docs_sample", "Apache-2.0", 6_002, 7_516_130),
    Entry("c4", "en", "ODC-By-1.0", 364_868_892, 828_588_742_863,
          _HF + "allenai/c4/en/c4-train.*.json.gz", "jsonl"),
    Entry("c4_tfds", "3.1.0", "ODC-By-1.0", None, None,
          "~/tensorflow_datasets/c4/en/3.1.0", "tfds"),
    Entry("fineweb", "main", "ODC-By-1.0", None, None,
          _HF + "HuggingFaceFW/fineweb/data/*/*.parquet", fields=Fields(id="id")),
    Entry("fineweb_10bt", "main", "ODC-By-1.0", None, None,
          _HF + "HuggingFaceFW/fineweb/sample/10BT/*.parquet", fields=Fields(id="id")),
    Entry("fineweb_edu", "main", "ODC-By-1.0", None, None,
          _HF + "HuggingFaceFW/fineweb-edu/data/*/*.parquet", fields=Fields(id="id")),
    Entry("fineweb_edu_10bt", "main", "ODC-By-1.0", None, None,
          _HF + "HuggingFaceFW/fineweb-edu/sample/10BT/*.parquet", fields=Fields(id="id")),
    Entry("fineweb_edu_dedup", "main", "ODC-By-1.0", 190_168_005, 957_570_164_451,
          _HF + "HuggingFaceTB/smollm-corpus/fineweb-edu-dedup/train-*",
          fields=Fields(id="id", meta=("metadata.url", "metadata.dump", "metadata.score"))),
    Entry("dclm", "1.0", "CC-BY-4.0", 3_000_000_000, None,
          _HF + "mlfoundations/dclm-baseline-1.0/global-shard_*/local-shard_*"
          "/*_processed.jsonl.zst*", "jsonl",
          Fields(meta=("url", "metadata.WARC-Date", "metadata.WARC-Record-ID"))),
    Entry("wikipedia", "20231101.en", "CC-BY-SA-3.0", 6_407_814, None,
          _HF + "wikimedia/wikipedia/20231101.en/*.parquet", fields=Fields(id="id")),
    Entry("open_web_math", "main", "ODC-By-1.0", 6_315_233, 56_651_995_057,
          _HF + "open-web-math/open-web-math/data/*.parquet",
          fields=Fields(meta=("url", "date"))),
    Entry("finemath_3plus", "main", "ODC-By-1.0", 21_400_000, None,
          _HF + "HuggingFaceTB/finemath/finemath-3plus/*.parquet"),
    Entry("finemath_4plus", "main", "ODC-By-1.0", 6_700_000, None,
          _HF + "HuggingFaceTB/finemath/finemath-4plus/*.parquet"),
    Entry("algebraic_stack", "main", "per file", None, None,
          _HF + "EleutherAI/proof-pile-2/algebraic-stack/train/*.jsonl.zst", "jsonl"),
    Entry("stack_v2_python", "dedup", "per file; terms of use of The Stack v2", None, None,
          _HF + "bigcode/the-stack-v2-dedup/data/Python/*.parquet", fields=_STACK),
    Entry("stack_edu_python", "main", "per file; terms of use of The Stack v2", 25_300_000, None,
          _HF + "HuggingFaceTB/stack-edu/Python/train-*", fields=_STACK),
    Entry("python_edu", "main", "ODC-By-1.0; code per file", 7_678_448, None,
          _HF + "HuggingFaceTB/smollm-corpus/python-edu/train-*",
          fields=dataclasses.replace(_STACK, encoding=None)),
    Entry("swallow_code", "1", "Llama 3.3 Community License", None, None,
          _HF + "tokyotech-llm/swallow-code/train/train-*", "jsonl"),
    Entry("swallow_code_v2", "2", "Apache-2.0", None, None,
          _HF + "tokyotech-llm/swallow-code-v2/stage5-auto-format/python/medium/train*", "jsonl"),
    Entry("swallow_math", "1", "Llama 3.3 Community License", None, None,
          _HF + "tokyotech-llm/swallow-math/train-*.jsonl", "jsonl"),
    Entry("swallow_math_v2", "2", "Apache-2.0", None, None,
          _HF + "tokyotech-llm/swallow-math-v2/stage3-qa/train*", "jsonl"),
    Entry("cosmopedia_v2", "2", "ODC-By-1.0", 39_134_000, 212_503_640_747,
          _HF + "HuggingFaceTB/smollm-corpus/cosmopedia-v2/train-*",
          fields=Fields(meta=("format", "audience", "seed_data", "token_length"))),
]  # fmt: skip
CATALOG = {entry.name: entry for entry in _ENTRIES}
