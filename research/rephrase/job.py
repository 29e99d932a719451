"""A corpus rewritten: ask for what is not in the store yet, then make a corpus of the answers.

Asking can be broken off at any time; what was answered is kept.  Making the corpus asks nobody: it
is a pure function of the source, the style and the answers, the same whatever order they came in,
and a stricter check costs no further answer.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from research import artefacts
from research.corpora.document import Corpus, Document, Unit, build_corpus, corpus_folder
from research.errors import GristmillError
from research.rephrase.books import Budget, Funnel, Prices, estimate_prompt
from research.rephrase.chunking import estimate_tokens, merge
from research.rephrase.engine import Engine, Failure, Request, Response, Sampling, make_request
from research.rephrase.store import Store
from research.rephrase.style import Rejection, Style

BOOKS = "rephrase.json"  # beside the parts of a rewritten corpus
HOPELESS = 40  # answers of which none is taken, after which a job is stopped
NOT_ANSWERED = "not answered"
NOTHING_TO_REWRITE = "nothing to rewrite"
PIECE_REJECTED = "a piece was rejected"
ALL_REJECTED = "all pieces were rejected"


@dataclasses.dataclass(frozen=True)
class Job:
    """What is to be rewritten, how and by what.

    Attributes:
      source: the corpus.
      style: of the rewriting.
      revision: of the model.
      temperature, top_p, top_k, seed: of the sampling.
      limit: rewrite only so many documents, the first; None for all.
    """

    source: Corpus
    style: Style
    revision: str
    temperature: float
    top_p: float
    top_k: int
    seed: int
    limit: int | None

    @functools.cached_property
    def definition(self) -> dict[str, Any]:
        """What decides the contents of the new corpus beside the answers themselves."""
        manifest = self.source.manifest
        return {
            "rephrased_from": {"name": self.source.name, "fingerprint": manifest["fingerprint"]},
            "style": self.style.describe(),
            "model": self.revision,
            "sampling": {
                "temperature": self.temperature,
                "top_p": self.top_p,
                "top_k": self.top_k,
                "seed": self.seed,
            },
            "limit": self.limit,
        }

    @functools.cached_property
    def id(self) -> str:
        """Fingerprint of the definition: what answers are booked under."""
        return artefacts.fingerprint(self.definition)[:32]

    @property
    def total(self) -> int:
        """Documents to be rewritten."""
        documents = self.source.manifest["documents"]
        return documents if self.limit is None else min(self.limit, documents)

    def documents(self) -> Iterator[Document]:
        """Those documents, in order."""
        return itertools.islice(self.source.documents(), self.limit)

    def request(self, document: Document, piece: str) -> Request:
        """What is asked about a piece."""
        style = self.style
        most = max(style.least_answer_tokens, round(style.answer_tokens * estimate_tokens(piece)))
        sampling = Sampling(most, self.temperature, self.top_p, self.top_k, self.seed)
        messages = style.messages(piece, str(document.meta.get("title", "")))
        return make_request(self.revision, messages, sampling)

    def asked(
        self, progress: Callable[[Iterator[Document]], Any] = iter
    ) -> Iterator[tuple[Document, str, Request]]:
        """Every piece of every document that is not only space, with what is asked about it.

        Args:
          progress: wraps the iterator of documents, for a progress bar.
        """
        for document in progress(self.documents()):
            for piece in self.style.chunk(document.text):
                if not piece.isspace():
                    yield document, piece, self.request(document, piece)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a job would cost.

    Attributes:
      documents, pieces: to be rewritten.
      stored: pieces whose answers are there already.
      prompt_tokens, completion_tokens: of the others, estimated; the second as if a rewrite were as
        long as its piece.
      most_tokens: that could come back if no answer ended by itself.
      cost, most: US dollars for these.
    """

    documents: int
    pieces: int
    stored: int
    prompt_tokens: int
    completion_tokens: int
    most_tokens: int
    cost: float
    most: float


def estimate(job: Job, store: Store, prices: Prices) -> Estimate:
    """Counts what a job would ask, and asks nothing."""
    pieces = stored = prompt = answer = most = 0
    seen: set[str] = set()
    for _, piece, request in job.asked():
        pieces += 1
        if request.key in seen or request.key in store:
            stored += 1
            continue
        seen.add(request.key)
        prompt += estimate_prompt(request)
        answer += estimate_tokens(piece)
        most += request.sampling.max_tokens
    return Estimate(
        job.total, pieces, stored, prompt, answer, most,
        prices.of(prompt, answer), prices.of(prompt, most),
    )  # fmt: skip


# ---- asking -------------------------------------------------------------------------------------


@dataclasses.dataclass
class Asked:
    """What came of asking.

    Attributes:
      answers: new ones.
      failed: requests that were not answered, by cause.
      out_of_budget: there was more to ask.
      cost: US dollars of all answers of the job, earlier ones included.
    """

    answers: int = 0
    failed: Counter[str] = dataclasses.field(default_factory=Counter)
    out_of_budget: bool = False
    cost: float = 0.0


def ask(
    job: Job,
    engine: Engine,
    store: Store,
    prices: Prices,
    budget_usd: float | None,
    progress: Callable[..., Any],
) -> Asked:
    """Asks for every answer that is not in the store, and keeps each as it comes.

    Args:
      job: what to ask.
      engine: whom.
      store: where answers are kept.
      prices: of the engine's tokens.
      budget_usd: what all answers of the job may cost; None for no limit.
      progress: makes a progress bar (`research.terminal.progress`).

    Returns:
      What came of it; the store has the answers.

    Raises:
      GristmillError: the engine cannot go on, or none of the first answers can be used.
    """
    done = Asked()
    budget = Budget(budget_usd, prices, store.spent(job=job.id))
    under_way: dict[str, tuple[Document, str]] = {}
    tried = Funnel()
    bar = progress(total=job.total, desc=f"{job.style.name}: asking", unit="doc")

    def drawn(documents: Iterator[Document]) -> Iterator[Document]:
        for document in documents:
            yield document
            bar.update()

    def missing() -> Iterator[Request]:
        asked: set[str] = set()  # once in this run, whatever comes of it
        for document, piece, request in job.asked(drawn):
            if request.key in asked or request.key in store:
                continue
            if not budget.reserve(request):
                done.out_of_budget = True
                return
            asked.add(request.key)
            under_way[request.key] = document, piece
            yield request

    with bar, contextlib.closing(engine.generate(missing())) as answered:
        for request, outcome in answered:
            document, piece = under_way.pop(request.key)
            if isinstance(outcome, Failure):
                budget.settle(request, None)
                store.fail(request.key, job.id, outcome)
                done.failed[outcome.cause] += 1
                continue
            store.put(request.key, job.id, job.revision, outcome)
            budget.settle(request, outcome)
            done.answers += 1
            if not tried.accepted:
                judge(job.style, document, piece, outcome, tried)
                _stop_if_hopeless(job.style, tried)
            if prices != Prices():
                bar.set_postfix_str(f"${budget.cost:.4f}")
    done.cost = budget.cost
    return done


def judge(
    style: Style, document: Document, piece: str, response: Response, funnel: Funnel
) -> str | None:
    """The rewrite in an answer, if it is taken; counted."""
    rewrite = style.judge(piece, response.text, response.finish)
    if isinstance(rewrite, Rejection):
        funnel.reject(rewrite.reason, document.id, piece, response.text, rewrite.detail)
        return None
    funnel.accept(document.id, piece, rewrite)
    return rewrite


def _stop_if_hopeless(style: Style, tried: Funnel) -> None:
    if tried.accepted or tried.pieces < HOPELESS:
        return
    raise GristmillError(
        f"style {style.name} takes none of the first {tried.pieces} answers ({_commonest(tried)}); "
        "they are kept: try another style or model"
    )


def _commonest(tried: Funnel) -> str:
    """The reasons by number, with an example of the first."""
    listed = ", ".join(f"{count} × {reason}" for reason, count in tried.rejected.most_common(4))
    example = tried.examples[tried.rejected.most_common(1)[0][0]][0]
    said = " ".join(example["answer"].split())[:160]
    return f"{listed}; of {example['id']} the model wrote: {said!r}"


# ---- making the corpus --------------------------------------------------------------------------


def write(
    job: Job,
    root: Path,
    store: Store,
    name: str,
    version: str,
    *,
    model: str,
    prices: Prices,
    accept_failures: bool,
    command: str,
    progress: Callable[..., Any],
) -> Corpus:
    """Makes the corpus of all rewrites that are taken.

    A document that loses all its pieces, or one it cannot do without, is dropped and counted; so is
    one with a piece that was never answered, if those are accepted.

    Args:
      job: what was asked.
      root: the data root.
      store: with the answers.
      name, version: of the new corpus.
      model: its name, recorded in the documents.
      prices: for the books.
      accept_failures: go on where pieces were not answered.
      command: recorded, and named in remedies.
      progress: makes a progress bar.

    Raises:
      GristmillError: pieces were not answered, nothing is taken, or another corpus is there.
    """
    funnels: dict[str, Funnel] = {}
    dropped: Counter[str] = Counter()
    fates: list[str | None] = []  # of each document: why it is dropped
    unanswered = 0
    cause = ""
    documents = progress(job.documents(), total=job.total, desc=f"{name}: judging", unit="doc")
    for document in documents:
        rewrites, lost = _rewrites(
            job, store, document, funnels.setdefault(document.source, Funnel())
        )
        for failure in lost:
            unanswered += 1
            cause = cause or failure
        fate = _fate(job.style, rewrites, bool(lost))
        fates.append(fate)
        if fate:
            dropped[fate] += 1
    if unanswered and not accept_failures:
        raise GristmillError(
            f"{unanswered} pieces were not answered ({cause}); run the same command again to ask "
            "for them, or add --accept_failures to do without"
        )
    books = {
        "style": job.style.name,
        "model": model,
        "prices": dataclasses.asdict(prices),
        "documents": {"read": job.total, "kept": job.total - dropped.total(), **dropped},
        "sources": {source: funnel.as_json() for source, funnel in funnels.items()},
    }
    if dropped.total() == job.total:
        worst = max(funnels.values(), key=lambda funnel: funnel.rejected.total())
        raise GristmillError(
            f"style {job.style.name} leaves no document of {job.source.name}: "
            + (_commonest(worst) if worst.rejected else NOTHING_TO_REWRITE)
        )

    def read() -> Iterator[Document]:
        ignored = Funnel()
        for document, fate in zip(job.documents(), fates, strict=True):
            if fate is None:
                rewrites, _ = _rewrites(job, store, document, ignored)
                yield _rewritten(job, document, rewrites, model)

    folder = corpus_folder(root, name, version)
    folder.mkdir(parents=True, exist_ok=True)
    table = root / "rephrase" / job.id / BOOKS
    table.parent.mkdir(parents=True, exist_ok=True)
    artefacts.write_json(table, books)
    answers = artefacts.fingerprint(
        [fates, {s: f.as_json()["rejected"] for s, f in funnels.items()}]
    )
    manifest = job.source.manifest
    return build_corpus(
        root,
        name,
        version,
        [Unit(job.source.name, [manifest["fingerprint"], answers], read)],
        licence=manifest["licence"],
        definition=job.definition,
        command=command,
        inputs=[{key: manifest[key] for key in ("name", "version", "fingerprint")}],
        dropped=dropped,
        tables=[table],
        progress=lambda items: progress(
            items, total=job.total - dropped.total(), desc=name, unit="doc"
        ),
    )


def _rewrites(
    job: Job, store: Store, document: Document, funnel: Funnel
) -> tuple[list[tuple[str, str | None]], list[str]]:
    """Each piece of a document with its rewrite (None: rejected), and why pieces have no answer."""
    rewrites: list[tuple[str, str | None]] = []
    lost: list[str] = []
    for piece in job.style.chunk(document.text):
        if piece.isspace():
            rewrites.append((piece, piece))
            continue
        request = job.request(document, piece)
        response = store.get(request.key)
        if response is None:
            failure = store.failure(request.key)
            cause = failure.cause if failure else "never asked"
            lost.append(cause)
            funnel.reject(NOT_ANSWERED, document.id, piece, "", cause)
            rewrites.append((piece, None))
            continue
        funnel.count(response)
        rewrites.append((piece, judge(job.style, document, piece, response, funnel)))
    return rewrites, lost


def _fate(style: Style, rewrites: list[tuple[str, str | None]], lost: bool) -> str | None:
    """Why a document is dropped; None if it is not."""
    asked = [rewrite for piece, rewrite in rewrites if not piece.isspace()]
    if not asked:
        return NOTHING_TO_REWRITE
    if lost:
        return NOT_ANSWERED
    if all(rewrite is None for rewrite in asked):
        return ALL_REJECTED
    if style.rejected == "drop_document" and None in asked:
        return PIECE_REJECTED
    return None


def _rewritten(
    job: Job, document: Document, rewrites: list[tuple[str, str | None]], model: str
) -> Document:
    style = job.style
    pieces = [piece for piece, _ in rewrites]
    kept = [
        piece if rewrite is None and style.rejected == "keep_piece" else rewrite
        for piece, rewrite in rewrites
    ]
    if style.placement == "after":
        kept = [
            None if rewrite is None else f"{piece.rstrip()}\n\n{rewrite}"
            for piece, rewrite in zip(pieces, kept, strict=True)
        ]
    facts: Mapping[str, Any] = {"style": style.name, "style_version": style.version, "model": model}
    id = f"{document.id}#{style.name}"
    return document.derive(merge(pieces, kept), id, document.source, **facts)
