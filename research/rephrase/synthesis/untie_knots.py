"""The generator `untie_knots`: long texts in which several documents are knotted together.

After Tian et al., "Untie the Knots: An Efficient Data Augmentation Strategy for Long-Context
Pre-Training in Language Models" (2024, arXiv 2409.04774): documents are cut into chunks, and the
chunks of several documents follow each other in turns, so that whoever continues one has to look
far back for where it was left.  The marks are our own: every chunk has a code, and ends by telling
the code of the next chunk of its document, wherever that is:

    [k3fa] The oldest wheels known are … [k3fa > 9bd2]
    [x07q] A letter from the sea … [x07q > end]
    [9bd2] of wood, without spokes. [9bd2 > end]

    [k3fa]: k3fa 9bd2
    [x07q]: x07q

The last lines untie the knots.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import ClassVar, Literal

from research.corpora.document import Document, Quarantined
from research.rephrase.chunking import chunk_prose, estimate_tokens
from research.rephrase.synthesis.draws import Draws
from research.rephrase.synthesis.generator import Generator, Items, Source

PIECE_TOKENS = 48  # what the text between two possible cuts has at most
CODE_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
CHARACTERS_PER_TOKEN = 5  # more than there are, so that a text's beginning has enough


@dataclasses.dataclass(frozen=True)
class UntieKnots(Generator):
    """Packs of documents that are cut into chunks, mixed, and to be put together again.

    Neighbours in the source come into one pack.  A pack descends from all its documents, so a Task
    that holds out a share of the originals leaves out every pack with originals of both sides: of
    packs of 8 documents a third, where 5% are held out.

    Attributes:
      documents: of a pack.
      tokens: of a document, at most, estimated; what is beyond is left out.
      chunks: that a document is cut into, at most; how many is drawn.
      codes: whether chunks have codes, and tell that of the next one.
      untie: what stands at the end: 'codes' of the chunks of each document in order, the documents'
        'text' in order, or 'nothing'.
      times: how many packs a document may be in, each with other cuts.
    """

    name: ClassVar[str] = "untie_knots"
    version: ClassVar[int] = 1
    about: ClassVar[str] = "long packs of documents in chunks that have to be put together again"
    block: ClassVar[int] = 64

    documents: int = 8
    tokens: int = 2048
    chunks: int = 5
    codes: bool = True
    untie: Literal["codes", "text", "nothing"] = "codes"
    times: int = 1

    def __post_init__(self) -> None:
        """Raises GristmillError for a setting that makes no pack."""
        self.refuse("documents", 2 <= self.documents <= 1024, "it must be from 2 to 1024")
        self.refuse("tokens", 64 <= self.tokens <= 1 << 18, "it must be from 64 to 262144")
        self.refuse("chunks", 2 <= self.chunks <= 64, "it must be from 2 to 64")
        self.refuse("times", 1 <= self.times <= 1000, "it must be from 1 to 1000")
        named = self.codes or self.untie != "codes"
        self.refuse("untie", named, "there are no codes: set codes to True, or untie otherwise")

    def most_items(self, documents: int) -> int:
        """See `Generator.most_items`."""
        return documents * self.times // self.documents

    def items(self, seed: int, start: int, stop: int, source: Source | None) -> Items:
        """See `Generator.items`."""
        pack: list[Document] = []
        index = start
        for document in source.read(start * self.documents, stop * self.documents):
            pack.append(document)
            if len(pack) == self.documents:
                yield self._tie(pack, seed, index)
                pack, index = [], index + 1

    def _tie(self, pack: Sequence[Document], seed: int, index: int) -> Document | Quarantined:
        """One pack."""
        draws = Draws(f"{seed}/untie_knots/{index}")
        strands = [self._cut(document.text, draws) for document in pack]
        if max(map(len, strands)) < 2:
            return Quarantined("no document to cut", f"untie_knots/{seed}/{index}", pack[0].id)
        codes = _codes(draws, sum(map(len, strands)))
        names = [[codes.pop() for _ in strand] for strand in strands]
        # the chunks of a document stay in their order: only whose turn it is, is drawn
        turns = draws.shuffled([number for number, strand in enumerate(strands) for _ in strand])
        places = [0] * len(strands)
        lines = []
        for number in turns:
            place = places[number]
            places[number] += 1
            chunk = strands[number][place].strip()
            if self.codes:
                name, *later = names[number][place:]
                chunk = f"[{name}] {chunk} [{name} > {later[0] if later else 'end'}]"
            lines.append(chunk)
        text = "\n\n".join(lines)
        if self.untie == "codes":
            text += "\n\n" + "\n".join(f"[{strand[0]}]: {' '.join(strand)}" for strand in names)
        elif self.untie == "text":
            text += "\n\n" + "\n\n".join(
                (f"[{strand[0]}] " if self.codes else "") + "".join(chunks).strip()
                for strand, chunks in zip(names, strands, strict=True)
            )
        sources = {document.source for document in pack}
        return Document(
            text=text,
            id=f"untie_knots/{seed}/{index}",
            source=sources.pop() if len(sources) == 1 else "untie_knots",
            meta={"style": "untie_knots", "seed": seed, "difficulty": len(turns)},
            parents=tuple(document.id for document in pack),
            roots=tuple(dict.fromkeys(root for document in pack for root in document.root_ids)),
        )

    def _cut(self, text: str, draws: Draws) -> list[str]:
        """A document's beginning in some chunks, which joined are that beginning."""
        pieces, size = [], 0
        for piece in chunk_prose(text[: CHARACTERS_PER_TOKEN * self.tokens], PIECE_TOKENS):
            size += estimate_tokens(piece)
            if pieces and size > self.tokens:
                break
            pieces.append(piece)
        wanted = min(draws.integer(2, self.chunks), len(pieces))
        cuts = sorted(draws.several(range(1, len(pieces)), wanted - 1)) if wanted > 1 else []
        edges = [0, *cuts, len(pieces)]
        return ["".join(pieces[a:b]) for a, b in itertools.pairwise(edges)]


def _codes(draws: Draws, count: int) -> list[str]:
    """So many different codes of four letters and digits."""
    codes: dict[str, None] = {}
    while len(codes) < count:
        codes["".join(draws.choice(CODE_LETTERS) for _ in range(4))] = None
    return list(codes)
