"""`gristmill rephrase`: rewrite a corpus by a language model; show what came of it."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import textwrap
from collections import Counter
from typing import Any

from research import artefacts
from research.artefacts import data_root
from research.corpora.document import NAME, NAMING, Corpus, corpus_folder
from research.engine_options import add_engine_options, open_engine
from research.errors import GristmillError
from research.registry.modules import import_module
from research.rephrase import job as jobs
from research.rephrase.books import Prices
from research.rephrase.engine import Engine, Sampling
from research.rephrase.job import BOOKS, Job
from research.rephrase.store import Store
from research.rephrase.style import Style
from research.rephrase.styles import STYLES
from research.terminal import human, parse_count, progress, table

USAGE = """gristmill rephrase CORPUS --style STYLE --engine ENGINE --out NAME [options]
       gristmill rephrase show NAME [--examples N]
       gristmill rephrase styles [STYLE]"""


def rephrase(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill rephrase`."""
    parser.usage = USAGE
    add = parser.add_argument
    add("corpus", metavar="CORPUS", help="the corpus to read; or show, styles")
    add("name", metavar="NAME", nargs="?", help="of show and styles")
    add("--style", help="one of `gristmill rephrase styles`, or FILE.py:NAME")
    add_engine_options(parser)
    add("--temperature", type=float, help="0 is greedy (default: the style's)")
    add("--top-p", type=float, help="nucleus sampling (default: the style's)")
    add("--top-k", type=int, default=0, help="of the likeliest tokens only (default: 0, of all)")
    add("--seed", type=int, default=0, help="of the sampling (default: 0)")
    sets = "evaluation sets, as gsm8k,math: no rewrite may hold an item of theirs"
    add("--decontaminate", metavar="SETS", help=sets)
    add("--limit", type=parse_count, metavar="N", help="only the first N documents")
    add("--price-in", type=float, default=0.0, metavar="USD", help="of a million prompt tokens")
    add("--price-out", type=float, default=0.0, metavar="USD", help="of a million answer tokens")
    add("--budget-usd", type=float, metavar="USD", help="stop before more is spent")
    add("--out", help=f"name of the corpus to make: {NAMING}")
    add("--version", default="1", help="its version (default: 1)")
    without = "make the corpus without what was not answered"
    add("--accept-failures", action="store_true", help=without)
    add("--dry-run", action="store_true", help="estimate tokens and cost, and stop")
    add("--examples", type=int, default=1, metavar="N", help="show: of each reason")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Finds out which of the three forms it is."""
    forms = {"show": run_show, "styles": run_styles}
    if form := forms.get(args.corpus):
        return form(args)
    if args.name:
        raise GristmillError(f"rephrase {args.corpus} {args.name}: one corpus at a time")
    return run_rephrase(args)


def find_style(name: str) -> Style:
    """A style by its name, or FILE.py:NAME for one of the user's own.

    Raises:
      GristmillError: there is none.
    """
    module, _, attribute = name.rpartition(":")
    if not module:
        if name not in STYLES:
            raise GristmillError(
                f"no style {name!r}; there are: {', '.join(STYLES)} (or FILE.py:NAME for your own)"
            )
        return STYLES[name]
    style = getattr(import_module(module), attribute, None)
    if not isinstance(style, Style):
        raise GristmillError(f"--style {name}: {module} has no Style named {attribute}")
    return style


# ---- rephrase -----------------------------------------------------------------------------------


def run_rephrase(args: argparse.Namespace) -> int:
    """Rewrites a corpus, or goes on with it."""
    for option in ("style", "engine") if args.dry_run else ("style", "engine", "out"):
        if not getattr(args, option):
            raise GristmillError(f"rephrase: name the {option} with --{option}")
    root, style = data_root(), find_style(args.style)
    if args.decontaminate:
        from research.rephrase.checks.evaluation import decontaminated

        style = decontaminated(style, tuple(filter(None, args.decontaminate.split(","))))
    prices = Prices(args.price_in, args.price_out)
    for word in (args.out or "corpus", args.version):
        if not NAME.fullmatch(word):
            raise GristmillError(f"{word[:200]!r} is no name of a corpus or version: use {NAMING}")
    source = Corpus.open(root, args.corpus)
    if source.name == f"{args.out}@{args.version}":
        raise GristmillError(f"--out {args.out}: that is the corpus that is read")
    engine = open_engine(args)
    job = _job(args, source, style, engine)
    with Store(root) as store:
        if args.dry_run:
            return _dry_run(job, store, prices, engine, args.concurrency)
        if _made_before(job, args):
            print(f"{args.out}@{args.version} was made before: gristmill rephrase show {args.out}")
            return 0
        with artefacts.exclusive(root / "rephrase" / job.id):
            asked = jobs.ask(job, engine, store, prices, args.budget_usd, progress)
            _tell(job, asked, prices)
            if asked.out_of_budget:
                print(
                    f"gristmill: the budget of ${args.budget_usd:g} allows no further request; "
                    "raise --budget_usd and run the same command again",
                    file=sys.stderr,
                )
                return 1
            corpus = jobs.write(
                job, root, store, args.out, args.version, model=engine.name, prices=prices,
                accept_failures=args.accept_failures, command=_command(args), progress=progress,
            )  # fmt: skip
    books = _books(corpus)
    print(
        f"{corpus.name} made: {corpus.manifest['documents']} of {books['documents']['read']} "
        f"documents, {human(corpus.manifest['bytes'], 'B')}, fingerprint "
        f"{corpus.manifest['fingerprint'][:16]}\n\n{_funnel(books)}\n\n"
        f"with reasons and examples: gristmill rephrase show {args.out}"
    )
    return 0


def _job(args: argparse.Namespace, source: Corpus, style: Style, engine: Engine) -> Job:
    temperature = style.temperature if args.temperature is None else args.temperature
    top_p = style.top_p if args.top_p is None else args.top_p
    Sampling(1, temperature, top_p, args.top_k, args.seed)  # refuses what is out of range
    return Job(
        source=source,
        style=style,
        revision=engine.revision,
        temperature=temperature,
        top_p=top_p,
        top_k=args.top_k,
        seed=args.seed,
        limit=args.limit,
    )


def _dry_run(job: Job, store: Store, prices: Prices, engine: Engine, concurrency: int) -> int:
    found = jobs.estimate(job, store, prices)
    before = store.spent(revision=job.revision)
    print(
        f"{job.source.name} by style {job.style.name} and {engine.name}: {found.documents} "
        f"documents, {found.pieces} pieces, {found.stored} of them answered before\n"
        f"to ask: about {human(found.prompt_tokens)} tokens in and "
        f"{human(found.completion_tokens)} out (at most {human(found.most_tokens)})"
    )
    if prices != Prices():
        print(f"cost: about ${found.cost:.2f}, at most ${found.most:.2f}")
    if before.completion_tokens:
        each = before.seconds / before.completion_tokens
        hours = each * found.completion_tokens / concurrency / 3600
        print(
            f"time: about {hours:.2g} hours with {concurrency} at a time, going by "
            f"{before.requests} answers of this model before"
        )
    return 0


def _made_before(job: Job, args: argparse.Namespace) -> bool:
    """Whether the corpus is there already.

    Raises:
      GristmillError: another is in its place.
    """
    folder = corpus_folder(data_root(), args.out, args.version)
    if not (folder / artefacts.MANIFEST).exists():
        return False
    manifest = artefacts.read_manifest(folder, "corpus", _command(args))
    old, new = manifest["definition"], json.loads(json.dumps(job.definition))
    if old == new:
        return True
    keys = ", ".join(key for key in {**old, **new} if old.get(key) != new.get(key))
    raise GristmillError(
        f"{folder} already holds a corpus made otherwise (differing in {keys}); choose another "
        "--out or --version, or delete that folder"
    )


def _tell(job: Job, asked: jobs.Asked, prices: Prices) -> None:
    cost = f"; ${asked.cost:.4f} spent on this job" if prices != Prices() else ""
    print(f"{asked.answers} new answers{cost}", flush=True)
    for cause, count in asked.failed.most_common(5):
        print(f"gristmill: {count} × no answer: {cause}", file=sys.stderr)


def _command(args: argparse.Namespace) -> str:
    words = ["gristmill", "rephrase", args.corpus, "--style", args.style, "--engine", args.engine]
    for option in ("url", "model", "temperature", "top_p", "decontaminate", "limit", "out"):
        if (value := getattr(args, option)) is not None:
            words += [f"--{option}", str(value)]
    for option, default in (("top_k", 0), ("seed", 0), ("version", "1")):
        if (value := getattr(args, option)) != default:
            words += [f"--{option}", str(value)]
    return shlex.join(words)


# ---- show, styles -------------------------------------------------------------------------------


def run_show(args: argparse.Namespace) -> int:
    """Prints the funnel, the cost, and pieces beside their answers."""
    if not args.name:
        raise GristmillError("rephrase show: name the corpus that rephrase has made")
    corpus = Corpus.open(data_root(), args.name)
    if "rephrased_from" not in corpus.manifest["definition"]:
        raise GristmillError(
            f"{corpus.name} was not made by gristmill rephrase but by: "
            f"{corpus.manifest['made_by']['command']}"
        )
    books = _books(corpus)
    definition = corpus.manifest["definition"]
    print(
        f"{corpus.name}: {definition['rephrased_from']['name']} by style {books['style']} and "
        f"{books['model']}\nmade by {corpus.manifest['made_by']['command']}\n\n"
        f"{_funnel(books, reasons=99)}"
    )
    fates = {key: n for key, n in books["documents"].items() if key not in ("read", "kept")}
    dropped = ", ".join(f"{count} × {reason}" for reason, count in fates.items()) or "none"
    print(f"\ndocuments: {books['documents']['read']} read, {books['documents']['kept']} kept; "
          f"dropped: {dropped}")  # fmt: skip
    for source, funnel in books["sources"].items():
        for reason in ("accepted", *funnel["rejected"]):
            for example in funnel["examples"].get(reason, [])[: args.examples]:
                detail = f" ({example['detail']})" if example["detail"] else ""
                print(f"\n-- {source}, {reason}{detail}: {example['id']}")
                print(_side_by_side(example["piece"], example["answer"]))
    return 0


def _books(corpus: Corpus) -> dict[str, Any]:
    path = corpus.folder / BOOKS
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise GristmillError(
            f"{path} is missing or damaged; run: gristmill verify {corpus.folder}"
        ) from None


def _funnel(books: dict[str, Any], reasons: int = 4) -> str:
    """Pieces, acceptance, tokens, time and cost of each source, and of all, with so many reasons.

    The seconds are those of single requests, added up; with several at a time, fewer have passed.
    """
    prices = Prices(**books["prices"])
    rows = []
    sums: Counter[str] = Counter()
    for source, funnel in books["sources"].items():
        numbers = ("pieces", "accepted", "prompt_tokens", "completion_tokens", "seconds")
        sums.update({key: funnel[key] for key in numbers})
        rows.append((source, funnel, funnel["rejected"]))
    if len(rows) > 1:
        rejected: Counter[str] = sum((Counter(row[2]) for row in rows), Counter())
        rows.append(("all", sums, dict(rejected.most_common())))
    lines = []
    for source, funnel, rejected in rows:
        cost = prices.of(funnel["prompt_tokens"], funnel["completion_tokens"])
        counted = [f"{reason} {count}" for reason, count in rejected.items()]
        share = funnel["accepted"] / funnel["pieces"] if funnel["pieces"] else 0.0
        lines.append(
            (
                source, funnel["pieces"], funnel["accepted"], f"{100 * share:.1f}%",
                human(funnel["prompt_tokens"]), human(funnel["completion_tokens"]),
                f"{funnel['seconds']:.0f}", f"{cost:.4f}" if prices != Prices() else "-",
                ", ".join(counted[:reasons]) + (" …" if len(counted) > reasons else ""),
            )
        )  # fmt: skip
    header = ("source", "pieces", "taken", "share", "tokens in", "out", "request s", "USD",
              "rejected for")  # fmt: skip
    return table(header, lines)


def _side_by_side(left: str, right: str) -> str:
    """Two texts in two columns, as wide as the terminal allows."""
    width = max(20, (min(shutil.get_terminal_size().columns, 160) - 3) // 2)

    def lines(text: str) -> list[str]:
        wrapped = [textwrap.wrap(line, width) or [""] for line in text.splitlines()]
        return [line for part in wrapped for line in part][:24]

    a, b = lines(left), lines(right)
    height = max(len(a), len(b))
    a, b = a + [""] * (height - len(a)), b + [""] * (height - len(b))
    return "\n".join(f"{x:{width}} | {y}".rstrip() for x, y in zip(a, b, strict=True))


def run_styles(args: argparse.Namespace) -> int:
    """Prints the styles, or one with its prompt and checks."""
    if not args.name:
        rows = [
            (style.name, style.version, style.chunking, style.about) for style in STYLES.values()
        ]
        print(table(("style", "version", "pieces", "about"), rows))
        return 0
    style = find_style(args.name)
    print(f"{style.name}, version {style.version}: {style.about}\n\n{style.instruction}\n")
    print(f"asked: {style.question}")
    for key, value in style.describe().items():
        if key not in ("name", "version", "about", "instruction", "question", "examples", "checks"):
            print(f"  {key} = {value}")
    for check in style.checks:
        print(f"  check {json.dumps(check.describe(), ensure_ascii=False)}")
    return 0
