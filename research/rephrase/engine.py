"""What a language model is asked and what it answers, whichever engine runs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator
from typing import Literal, Protocol

from research import artefacts
from research.errors import GristmillError

Role = Literal["system", "user", "assistant"]


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclasses.dataclass(frozen=True, slots=True)
class Sampling:
    """How the tokens of an answer are chosen.

    Attributes:
      max_tokens: after which an answer is cut.
      temperature: 0 is greedy, and then the seed does not matter.
      top_p: nucleus (Holtzman et al. 2020): the likeliest tokens of so much probability.
      top_k: of the so many likeliest tokens only; 0 for no limit.
      seed: of the random draws.
      stop: strings that end an answer and are no part of it.
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises GristmillError where a value is out of its range."""
        for good, what in (
            (self.max_tokens >= 1, "max_tokens must be at least 1"),
            (0 <= self.temperature <= 10, "temperature must be from 0 to 10"),
            (0 < self.top_p <= 1, "top_p must be above 0 and at most 1"),
            (self.top_k >= 0, "top_k must be 0 (no limit) or more"),
            (0 <= self.seed < 2**31, "seed must be from 0 to 2^31 - 1"),
        ):
            if not good:
                raise GristmillError(f"sampling: {what}")


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """A conversation to go on with.

    Attributes:
      key: of the answer in the store: what the answer depends on, hashed (`make_request`).
    """

    key: str
    messages: tuple[Message, ...]
    sampling: Sampling


def make_request(revision: str, messages: tuple[Message, ...], sampling: Sampling) -> Request:
    """A request with its key: model revision, every word of the prompt, and sampling.

    A greedy answer does not depend on the seed, nor on top_p and top_k.  Each sampled request gets
    a seed of its own, drawn from the job's seed and the prompt, so that equal seeds of a job do not
    mean equal noise in all its documents.
    """
    conversation = [(message.role, message.content) for message in messages]
    if sampling.temperature == 0:
        sampling = dataclasses.replace(sampling, seed=0, top_p=1.0, top_k=0)
    else:
        own = int(artefacts.fingerprint([sampling.seed, conversation])[:8], 16) >> 1
        sampling = dataclasses.replace(sampling, seed=own)
    described = [revision, conversation, dataclasses.asdict(sampling)]
    return Request(artefacts.fingerprint(described), messages, sampling)


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    """An answer.

    Attributes:
      text: without the stop string.
      finish: 'stop': the model ended it; 'length': it was cut at max_tokens.
      prompt_tokens, completion_tokens: as the engine counts them.
      seconds: from the sending of the request to the end of the answer.
    """

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """No answer.

    Attributes:
      cause: one line.
      permanent: the same request would fail again (it is too long, or refused by a filter).
    """

    cause: str
    permanent: bool


class Engine(Protocol):
    """Runs a model.

    Attributes:
      name: what the model is called, for people.
      revision: identity of the model: equal revisions give equal answers, as far as engines can.
    """

    name: str
    revision: str

    def generate(
        self, requests: Iterator[Request]
    ) -> Generator[tuple[Request, Response | Failure], None, None]:
        """Answers requests, many at a time and in any order, drawing them as it has room.

        Closing the iterator gives up what is under way.

        Raises:
          GristmillError: no request can be answered (no such model, a key that is refused).
        """
        ...
