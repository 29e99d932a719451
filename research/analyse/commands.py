"""`gristmill report`: the answer of a sweep, as a page and as a table."""

from __future__ import annotations

import argparse
from pathlib import Path


def report(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill report`."""
    parser.add_argument("directory", type=Path, help="of a sweep, finished or not")
    parser.add_argument("--metric", help="that verdicts are about (default: the sweep's)")
    parser.add_argument(
        "--baseline", metavar="ARM", help="that the others are compared with (default: the sweep's)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="an .html file (default: report.html of the sweep)"
    )
    parser.set_defaults(run=run_report)


def run_report(args: argparse.Namespace) -> None:
    """Writes the report and prints its verdicts and its path."""
    from research.analyse.report import write_report
    from research.analyse.verdicts import terminal_verdicts

    written = write_report(args.directory, args.metric, args.baseline, args.out)
    print(terminal_verdicts(written.differences))
    print(f"\nreport: {written.path}")
