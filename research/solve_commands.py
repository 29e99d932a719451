"""`gristmill solve`: draw solutions of problems until enough of them are right."""

from __future__ import annotations

import argparse
import shlex
import sys

from research import artefacts
from research.artefacts import data_root
from research.corpora.document import NAME, NAMING, Corpus
from research.engine_options import add_engine_options, open_engine
from research.errors import GristmillError
from research.rephrase.books import Prices
from research.rephrase.engine import Sampling
from research.rephrase.rejection_sampling import Job, Plan, sample, summary
from research.rephrase.solutions import read_questions, write_solutions
from research.rephrase.store import Store
from research.terminal import human, parse_count, progress, table

# what repeats a command, beside its engine: option and default
_TOLD = {"share": "uniform", "correct": 4, "probe": 4, "most": 32, "max_tokens": 512,
         "temperature": 0.8, "top_p": 0.95, "seed": 0, "limit": None, "question_field": "prompt",
         "answer_field": "value", "version": "1"}  # fmt: skip


def solve(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill solve`."""
    add = parser.add_argument
    add("corpus", metavar="CORPUS", help="problems with their answers in meta")
    add_engine_options(parser)
    shares = ("uniform", "proportional")
    allotted = "right answers: as many for each, or more for the harder (default: %(default)s)"
    add("--share", choices=shares, default=_TOLD["share"], help=allotted)
    each = "right answers of each problem, or of the hardest (default: %(default)s)"
    add("--correct", type=parse_count, default=_TOLD["correct"], metavar="K", help=each)
    first = "proportional: draws that tell how hard a problem is (default: %(default)s)"
    add("--probe", type=parse_count, default=_TOLD["probe"], metavar="N", help=first)
    last = "draws of a problem, at most (default: %(default)s)"
    add("--most", type=parse_count, default=_TOLD["most"], metavar="N", help=last)
    longest = "of a solution, at most (default: %(default)s)"
    add("--max-tokens", type=parse_count, default=_TOLD["max_tokens"], metavar="N", help=longest)
    add("--temperature", type=float, default=_TOLD["temperature"], help="default: %(default)s")
    add("--top-p", type=float, default=_TOLD["top_p"], help="default: %(default)s")
    add("--seed", type=int, default=_TOLD["seed"], help="of the draws (default: 0)")
    add("--limit", type=parse_count, metavar="N", help="only the first N problems")
    field = "of meta, with the {} (default: %(default)s)"
    add("--question-field", default=_TOLD["question_field"], help=field.format("problem"))
    add("--answer-field", default=_TOLD["answer_field"], help=field.format("right answer"))
    add("--price-in", type=float, default=0.0, metavar="USD", help="of a million prompt tokens")
    add("--price-out", type=float, default=0.0, metavar="USD", help="of a million answer tokens")
    add("--budget-usd", type=float, metavar="USD", help="stop before more is spent")
    add("--accept-failures", action="store_true", help="leave out what was not answered")
    add("--out", help=f"name of the corpus to make: {NAMING}")
    add("--version", default="1", help="its version (default: 1)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Draws, and makes the corpus of the right solutions."""
    for option in ("engine", "out"):
        if not getattr(args, option):
            raise GristmillError(f"solve: name the {option} with --{option}")
    for word in (args.out, args.version):
        if not NAME.fullmatch(word):
            raise GristmillError(f"{word[:200]!r} is no name of a corpus or version: use {NAMING}")
    root = data_root()
    source = Corpus.open(root, args.corpus)
    if source.name == f"{args.out}@{args.version}":
        raise GristmillError(f"--out {args.out}: that is the corpus that is read")
    plan = Plan(args.share, args.correct, args.probe, args.most)
    sampling = Sampling(args.max_tokens, args.temperature, args.top_p, seed=args.seed)
    questions = read_questions(source, args.question_field, args.answer_field, args.limit)
    prices = Prices(args.price_in, args.price_out)
    engine = open_engine(args)
    job = Job(questions, plan, engine.revision, sampling)
    with artefacts.exclusive(root / "rephrase" / job.id), Store(root) as store:
        drawn, books = sample(
            job, engine, store, prices=prices, budget_usd=args.budget_usd, progress=progress
        )
    _tell(summary(drawn, books), prices)
    if books.out_of_budget:
        print(
            f"gristmill: the budget of ${args.budget_usd:g} allows no further request; raise "
            "--budget_usd and run the same command again",
            file=sys.stderr,
        )
        return 1
    corpus = write_solutions(
        job, source, drawn, books, root, args.out, args.version, model=engine.name,
        accept_failures=args.accept_failures, command=_command(args), progress=progress,
    )  # fmt: skip
    print(
        f"{corpus.name} made: {corpus.manifest['documents']} solutions, "
        f"{human(corpus.manifest['bytes'], 'B')}, fingerprint "
        f"{corpus.manifest['fingerprint'][:16]}"
    )
    return 0


def _tell(told: dict, prices: Prices) -> None:
    rows = [(f"{low} …", *row) for low, row in told["by_fail_rate"].items()]
    print(table(("fail rate", "problems", "draws", "solutions"), rows))
    cost = f", ${told['cost']:.4f} in all" if prices != Prices() else ""
    print(
        f"\n{told['questions']} problems, {told['draws']} draws ({told['requests']} new), "
        f"{told['right']} of them right; {told['solutions']} of {told['wanted']} solutions, "
        f"{told['with_all']} problems with all theirs, {told['with_none']} with none\n"
        f"{human(told['prompt_tokens'])} tokens in, {human(told['completion_tokens'])} out, "
        f"{told['seconds']:.0f} seconds{cost}",
        flush=True,
    )
    for cause, count in told["failed"].items():
        print(f"gristmill: {count} × no answer: {cause}", file=sys.stderr)


def _command(args: argparse.Namespace) -> str:
    words = ["gristmill", "solve", args.corpus, "--engine", args.engine]
    for option in ("url", "model"):
        if value := getattr(args, option):
            words += [f"--{option}", value]
    for option, default in _TOLD.items():
        if (value := getattr(args, option)) != default:
            words += [f"--{option}", str(value)]
    return shlex.join([*words, "--out", args.out])
