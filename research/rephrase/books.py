"""What a job costs, and how much of it came to something.

Prices are those of a million tokens, as providers quote them.  A budget holds for a whole job,
however often it is started: what its answers have cost is read from the store.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from typing import Any

from research.errors import GristmillError
from research.rephrase.chunking import estimate_tokens
from research.rephrase.engine import Request, Response
from research.rephrase.store import Spent

EXAMPLES = 3  # of each reason, and of what was taken
EXCERPT = 2000  # characters


@dataclasses.dataclass(frozen=True)
class Prices:
    """US dollars for a million tokens, in and out."""

    prompt: float = 0.0
    completion: float = 0.0

    def __post_init__(self) -> None:
        """Raises GristmillError for what is no price."""
        if not all(0 <= price < math.inf for price in (self.prompt, self.completion)):
            raise GristmillError("--price_in and --price_out: a price is a number of at least 0")

    def of(self, prompt_tokens: float, completion_tokens: float) -> float:
        """US dollars."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


class Budget:
    """Says when no further request may be sent: what is under way counts as if it came out as long
    as it may.

    Attributes:
      limit: US dollars; None for none.
    """

    def __init__(self, limit: float | None, prices: Prices, spent: Spent) -> None:
        """Begins with what the job has cost already.

        Raises:
          GristmillError: the limit is no money, or nothing has a price.
        """
        if limit is not None and not 0 < limit < math.inf:
            raise GristmillError(f"--budget_usd {limit:g}: a budget is above 0")
        if limit is not None and prices == Prices():
            raise GristmillError(
                "--budget_usd: name the prices of a million tokens with --price_in and --price_out"
            )
        self.limit, self._prices = limit, prices
        self.cost = prices.of(spent.prompt_tokens, spent.completion_tokens)
        self._reserved: dict[str, float] = {}

    def reserve(self, request: Request) -> bool:
        """Takes a request's greatest cost out of the budget; False if there is not so much left."""
        most = self._prices.of(estimate_prompt(request), request.sampling.max_tokens)
        if self.limit is not None:
            if self.cost + sum(self._reserved.values()) + most > self.limit:
                return False
            self._reserved[request.key] = most
        return True

    def settle(self, request: Request, response: Response | None) -> None:
        """Puts the cost of an answer in the place of what was reserved for it."""
        self._reserved.pop(request.key, None)
        if response is not None:
            self.cost += self._prices.of(response.prompt_tokens, response.completion_tokens)


def estimate_prompt(request: Request) -> int:
    """Tokens of a prompt, estimated: its words, and some for every turn."""
    return sum(estimate_tokens(message.content) + 8 for message in request.messages)


class Funnel:
    """Pieces of documents by what became of them, with examples, for one source of text."""

    def __init__(self) -> None:
        self.pieces = self.accepted = self.prompt_tokens = self.completion_tokens = 0
        self.seconds = 0.0
        self.rejected: Counter[str] = Counter()
        self.examples: dict[str, list[dict[str, str]]] = {}

    def count(self, response: Response) -> None:
        """Adds the cost of an answer."""
        self.prompt_tokens += response.prompt_tokens
        self.completion_tokens += response.completion_tokens
        self.seconds += response.seconds

    def accept(self, id: str, piece: str, rewrite: str) -> None:
        """Counts a rewrite that is taken."""
        self.pieces += 1
        self.accepted += 1
        self._keep("accepted", id, piece, rewrite, "")

    def reject(self, reason: str, id: str, piece: str, answer: str, detail: str) -> None:
        """Counts a piece that no rewrite is taken for."""
        self.pieces += 1
        self.rejected[reason] += 1
        self._keep(reason, id, piece, answer, detail)

    def _keep(self, reason: str, id: str, piece: str, answer: str, detail: str) -> None:
        kept = self.examples.setdefault(reason, [])
        if len(kept) < EXAMPLES:
            kept.append(
                {"id": id, "detail": detail, "piece": piece[:EXCERPT], "answer": answer[:EXCERPT]}
            )

    def as_json(self) -> dict[str, Any]:
        """All of it, reasons by falling number."""
        return {
            "pieces": self.pieces,
            "accepted": self.accepted,
            "rejected": dict(self.rejected.most_common()),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "seconds": self.seconds,
            "examples": self.examples,
        }
