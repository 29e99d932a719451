"""Curation by Apache Beam: on Dataflow, Flink or Spark, or on this machine.

`gristmill curate --runner beam` hands Beam the pieces of work that the local runner hands to its
processes.  So the corpus is the same to the byte, an interrupted run goes on with the pieces that
are missing, and only numbers of rows travel through Beam.  All workers need the data root at the
same path (a mounted file system), and gristmill installed.  Without options it runs in this
process; Beam's own runner of several processes on one machine opens ports to the network, so it is
started only by its own options (direct_running_mode=multi_processing, direct_num_workers=2).

Where they do not have it, or where documents come from and go to other places, `CurateDocuments`
is the same recipe as a transform, for a pipeline of your own:

    with beam.Pipeline(options=options) as pipeline:
        found = (
            pipeline
            | beam.io.ReadFromParquet("gs://corpus/part-*.parquet")
            | beam.Map(Document.from_row)
            | CurateDocuments(find_recipe("fineweb_en"))
        )
        rows = found.kept | beam.Map(Document.as_row)
        rows | beam.io.WriteToParquet("gs://curated/part", SCHEMA, codec="zstd")
        found.report | beam.Map(json.dumps) | beam.io.WriteToText("gs://curated/report.json")

A document that ends the process which works on it is quarantined by the local runner; Beam tries
its bundle again as its runner does, and then the pipeline fails.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from research import gin_bindings
from research.artefacts import data_root
from research.corpora.document import Document, Quarantined
from research.curate.report import Report
from research.curate.runner import judge
from research.curate.steps import Step
from research.curate.workers import Work
from research.errors import GristmillError

KEPT, QUARANTINED, REPORT = "kept", "quarantined", "report"


class Curated(NamedTuple):
    """What `CurateDocuments` gives.

    Attributes:
      kept: the documents that passed all steps, as `Document`.
      quarantined: those that could not be judged, as `Quarantined`.
      report: one element: what every step did, as `Report.as_json` has it with examples.
    """

    kept: beam.PCollection
    quarantined: beam.PCollection
    report: beam.PCollection


class CurateDocuments(beam.PTransform):
    """A PCollection of `Document`, bounded and in the global window, through a recipe.

    The outputs are those of the local runner, numbers and examples of the report included, however
    the documents are bundled.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        """Args:
        steps: the recipe; those that learn from the whole corpus are settled (`survey.settle`).
        """
        super().__init__()
        self.steps = tuple(steps)

    def expand(self, documents: beam.PCollection) -> Curated:
        """Applies the steps."""
        found = documents | "Judge" >> beam.ParDo(_Judge(self.steps)).with_outputs(
            QUARANTINED, REPORT, main=KEPT
        )
        report = found[REPORT] | "Merge" >> beam.CombineGlobally(_MergeReports(self.steps))
        return Curated(found[KEPT], found[QUARANTINED], report)


class _Judge(beam.DoFn):
    """Judges documents; at the end of a bundle emits what was done in it."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.steps = steps

    def start_bundle(self) -> None:
        self.report = Report(self.steps)

    def process(self, document: Document) -> Iterator[Any]:
        outcome = judge(self.steps, document, self.report)
        if isinstance(outcome, Document):
            yield outcome
        elif isinstance(outcome, Quarantined):
            yield beam.pvalue.TaggedOutput(QUARANTINED, outcome)

    def finish_bundle(self) -> Iterator[Any]:
        window = GlobalWindow()
        value = WindowedValue(self.report.as_json(examples=True), window.max_timestamp(), [window])
        yield beam.pvalue.TaggedOutput(REPORT, value)


class _MergeReports(beam.CombineFn):
    """Adds up the reports of bundles."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.steps = steps

    def create_accumulator(self) -> list[dict[str, Any]]:
        return Report(self.steps).as_json(examples=True)

    def add_input(self, accumulator: list, report: list) -> list[dict[str, Any]]:
        return self.merge_accumulators([accumulator, report])

    def merge_accumulators(self, accumulators: Any) -> list[dict[str, Any]]:
        merged = Report(self.steps)
        for report in accumulators:
            merged.merge(report)
        return merged.as_json(examples=True)

    def extract_output(self, accumulator: list) -> list[dict[str, Any]]:
        return accumulator


@dataclasses.dataclass(frozen=True)
class BeamRun:
    """Does pieces of work as elements of a pipeline; a `workers.Run`.

    Attributes:
      options: of Beam, by name; with none it runs on this machine.
    """

    options: dict[str, str | None]

    @classmethod
    def of(cls, options: Sequence[str]) -> BeamRun:
        """Reads 'name=value' and 'flag' options.

        Raises:
          GristmillError: Beam has no such option.
        """
        given: dict[str, str | None] = {}
        known = PipelineOptions([]).get_all_options()
        for text in options:
            name, equals, value = text.partition("=")
            if name not in known:
                raise GristmillError(
                    f"--beam_option {text!r}: Beam has no option {name}; "
                    + gin_bindings.closest(name, known)
                )
            given[name] = value if equals else None
        with contextlib.redirect_stderr(io.StringIO()) as said:
            try:
                _pipeline_options(given).get_all_options()
            except SystemExit:  # of argparse, after its usage
                message = said.getvalue().strip().splitlines()[-1].partition("error: ")[2]
                raise GristmillError(f"--beam_option: {message}") from None
        return cls(given)

    def __call__(self, work: Work, pieces: Sequence[Any], workers: int) -> Iterator[Any]:
        """Does all pieces, then yields them.

        Args:
          work: leaves its results on disk.
          pieces: numbered by their order.
          workers: 1; how many there are is the runner's affair.

        Raises:
          GristmillError: the pipeline failed.
        """
        if not pieces:
            return
        # in this process; Beam's own choice would look for a program to download
        options = {"runner": "FnApiRunner", **self.options}
        logging.getLogger("apache_beam.runners.common").setLevel(logging.CRITICAL)  # told below
        root = str(data_root().absolute())
        try:
            with beam.Pipeline(options=_pipeline_options(options)) as pipeline:
                _ = (
                    pipeline
                    | beam.Create(list(pieces))
                    | beam.Reshuffle()
                    | "Curate" >> beam.ParDo(_Piece(work, root))
                )
        except Exception as error:
            raise GristmillError(_told(error, options["runner"])) from None
        yield from pieces


def _pipeline_options(options: Mapping[str, str | None]) -> PipelineOptions:
    return PipelineOptions([f"--{k}" if v is None else f"--{k}={v}" for k, v in options.items()])


class _Piece(beam.DoFn):
    """Does one piece of work."""

    def __init__(self, work: Work, root: str) -> None:
        self.work, self.root = work, root

    def setup(self) -> None:
        os.environ["GRISTMILL_ROOT"] = self.root  # by which steps find models

    def process(self, piece: Any) -> None:
        self.work(piece, frozenset(), lambda row: None)


def _told(error: BaseException, runner: Any) -> str:
    """What went wrong in a pipeline, in one line."""
    text = str(error)
    own = re.search(r"GristmillError: (.+?)(?: \[while running|\n|$)", text)
    if isinstance(error, GristmillError) or own:
        return own[1] if own else text.partition(" [while running")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__
    return f"Beam's {runner} failed: {last.partition(' [while running')[0][:300]}"
