"""Any server that speaks OpenAI's chat completions: vLLM, SGLang, llama.cpp, Ollama, a paid one.

A thread of its own keeps `concurrency` requests on the wire while answers are checked and stored
elsewhere.  What may pass is tried again (no connection, a timeout, 429, 5xx, an answer that breaks
off), later and later or when the server says (Retry-After); what would fail again is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import math
import queue
import random
import sys
import threading
import time
from collections.abc import Coroutine, Generator, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx

from research import artefacts
from research.errors import GristmillError
from research.rephrase.engine import Failure, Request, Response

ATTEMPTS = 6  # at a request that may pass
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds before the second attempt; doubled each time
LONGEST_ASKED_FOR = 600.0  # seconds that a server's Retry-After is followed for
MAY_PASS = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
DRIPPING = 4  # times the timeout: what an attempt may take whose bytes come one by one
BYTES_PER_TOKEN = 64  # an answer of more than its tokens could have is endless
MOST_TOKENS = 10**9  # that an answer can count
SWITCH = 0.0005  # seconds that the wire's thread waits at most for the other; see `_Client`
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class HttpEngine:
    """A model behind a URL."""

    def __init__(
        self,
        url: str,
        model: str | None,
        *,
        key: str | None = None,
        key_name: str = "OPENAI_API_KEY",
        concurrency: int = 16,
        timeout: float = 300.0,
    ) -> None:
        """Asks the server what models it has.

        Args:
          url: up to and without `/chat/completions`; mostly it ends in `/v1`.
          model: one of the server's; None if it has a single one.
          key: sent as a bearer token; never written anywhere.
          key_name: the environment variable it comes from, for messages.
          concurrency: requests on the wire at a time.
          timeout: seconds without a byte, after which an attempt is given up.

        Raises:
          GristmillError: no server there, not this model, or the key is missing or refused.
        """
        self.url, self.concurrency, self.timeout = url.rstrip("/"), concurrency, timeout
        self._key_name = key_name
        try:
            parts = urlsplit(self.url)
            (parts.hostname or "").encode("idna")
        except ValueError:  # UnicodeError is one
            raise GristmillError(f"--url {url[:200]!r} is no address") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise GristmillError(f"--url {url!r}: write http://HOST:PORT/v1 or https://…")
        if key and not (key.isascii() and key.isprintable() and key == key.strip()):
            raise GristmillError(f"the key in ${key_name} has characters that no key has")
        if not 0 < timeout < math.inf:
            raise GristmillError(f"--timeout {timeout:g}: name a number of seconds above 0")
        if key and parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise GristmillError(
                f"--url {url}: the key in ${key_name} would go over the network unencrypted; use "
                "https, or unset the key"
            )
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.name, self.revision = self._find(model)

    def generate(
        self, requests: Iterator[Request]
    ) -> Generator[tuple[Request, Response | Failure], None, None]:
        """See `Engine.generate`.

        Raises:
          GristmillError: the server refuses the key or the model, answers with another model, or
            has failed so many requests in a row that it must be down.
        """
        outcomes: queue.SimpleQueue[tuple[Request, Response | Failure | Exception]]
        outcomes = queue.SimpleQueue()
        with _Client(self.concurrency, self.timeout, self._headers) as client:

            async def work(request: Request) -> None:
                try:
                    outcomes.put((request, await self._answer(client, request)))
                except Exception as error:  # of ours: to be seen, and not waited for
                    outcomes.put((request, error))

            under_way = failed_in_a_row = 0
            more = True
            while more or under_way:
                # as many again wait for room on the wire, so that it never waits for us
                while more and under_way < 2 * self.concurrency:
                    request = next(requests, None)
                    if more := request is not None:
                        client.start(work(request))
                        under_way += 1
                if not under_way:
                    return
                request, outcome = outcomes.get()
                under_way -= 1
                if isinstance(outcome, Exception):
                    raise outcome
                passing = isinstance(outcome, Failure) and not outcome.permanent
                failed_in_a_row = failed_in_a_row + 1 if passing else 0
                yield request, outcome
                if failed_in_a_row >= max(8, self.concurrency):
                    raise GristmillError(
                        f"{self.url} has failed {failed_in_a_row} requests in a row "
                        f"({outcome.cause}); what was answered is kept: mend the server and run "
                        "the same command again"
                    )

    # ---- one request ----------------------------------------------------------------------------

    async def _answer(
        self, client: _Client, request: Request
    ) -> Response | Failure | GristmillError:
        """Attempts until there is an answer, or nothing to hope for."""
        cause, pause = "", 0.0
        for attempt in range(ATTEMPTS):
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt) * random.uniform(0.75, 1.25)
            try:
                async with client.room:
                    began = time.monotonic()
                    status, headers, body = await client.post(
                        f"{self.url}/chat/completions", self._body(request),
                        most=request.sampling.max_tokens * BYTES_PER_TOKEN + (1 << 20),
                    )  # fmt: skip
                    took = time.monotonic() - began
            except _Endless as error:
                return Failure(str(error), permanent=True)
            except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
                cause = f"{type(error).__name__}: {error}".rstrip(": ")
                continue
            if status == 200:
                try:
                    return self._read(body, took)
                except GristmillError as error:
                    return error
                except (ValueError, LookupError, TypeError, RecursionError) as error:
                    cause = f"an answer that is none ({type(error).__name__}: {error})"
                    continue
            cause = f"status {status}: {_said(body)}"
            if status in (401, 403):
                return self._refused(status, body)
            if status in (301, 302, 307, 308, 404, 405):
                return GristmillError(f"{self.url}/chat/completions: {cause}; is the URL right?")
            if status not in MAY_PASS:
                return Failure(cause, permanent=True)
            pause = _asked_for(headers) or pause
        return Failure(f"{cause} ({ATTEMPTS} attempts)", permanent=False)

    def _body(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        body = {
            "model": self.name,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
        }
        # no part of OpenAI's interface, but of all others'
        body |= {"top_k": sampling.top_k} if sampling.top_k else {}
        return body | ({"stop": list(sampling.stop)} if sampling.stop else {})

    def _read(self, body: bytes, seconds: float) -> Response:
        """An answer from its JSON.

        Raises:
          GristmillError: another model has answered.
          ValueError, LookupError, TypeError: it is no answer.
        """
        answer = json.loads(body)
        choice, usage = answer["choices"][0], answer["usage"]
        told = answer.get("model")
        if told is not None and told != self._answers_as:
            if self._answers_as is not None:
                raise GristmillError(
                    f"{self.url} answers as {told!r} now, and did as {self._answers_as!r} before: "
                    "it has changed its model; what was answered is kept"
                )
            self._answers_as = told
        text = choice["message"]["content"]
        if text is not None and not isinstance(text, str):
            raise TypeError("the content is no text")
        finish = str(choice.get("finish_reason") or "stop")
        tokens = int(usage["prompt_tokens"]), int(usage["completion_tokens"])
        if not all(0 <= count < MOST_TOKENS for count in tokens):
            raise ValueError(f"{tokens[0]} tokens in and {tokens[1]} out")
        text = (text or "").encode("utf-8", "replace").decode()  # a lone surrogate is no text
        return Response(text, finish, *tokens, seconds)

    # ---- the server -----------------------------------------------------------------------------

    def _find(self, model: str | None) -> tuple[str, str]:
        """Name and revision of the model."""
        self._answers_as: str | None = None
        try:
            with _Client(1, 30.0, self._headers) as client:
                status, body = client.get(f"{self.url}/models")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, _Endless) as error:
            raise GristmillError(
                f"--url {self.url}: no server answers there ({error or type(error).__name__})"
            ) from None
        if status in (401, 403):
            raise self._refused(status, body)
        try:
            if status != 200:
                raise ValueError(f"status {status}")
            models = {str(entry["id"]): entry for entry in json.loads(body)["data"]}
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise GristmillError(
                f"{self.url}/models lists no models ({error}); is the URL right? mostly it ends "
                "in /v1"
            ) from None
        if model is None and len(models) == 1:
            model = next(iter(models))
        if model not in models:
            listed = ", ".join(sorted(models)[:8]) or "none"
            missing = "name one with --model" if model is None else f"has no model {model}"
            raise GristmillError(f"{self.url}: {missing}; its models: {listed}")
        meta = models[model].get("meta")  # llama.cpp tells sizes here
        suffix = f"@{artefacts.fingerprint(meta)[:12]}" if meta else ""
        return model, f"http/{model}{suffix}"

    def _refused(self, status: int, body: bytes) -> GristmillError:
        has = "refuses the key in" if self._headers else "wants a key, and there is none in"
        return GristmillError(
            f"{self.url} {has} the environment variable {self._key_name} (status {status}: "
            f"{_said(body)})"
        )


class _Endless(Exception):
    """More bytes than an answer can have."""


class _Client:
    """An HTTP client whose event loop runs in a thread of its own; a context manager.

    Python lets a thread that reads or sends wait 5 ms each time for one that calculates.  Several
    times a request, while texts are cut and judged, that would leave the server idle.
    """

    def __init__(self, concurrency: int, timeout: float, headers: Mapping[str, str]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task] = set()
        self._timeout = timeout
        self.room = asyncio.Semaphore(concurrency)
        limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
        self._http = httpx.AsyncClient(headers=headers, timeout=timeout, limits=limits)

    def __enter__(self) -> _Client:
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(min(SWITCH, self._interval))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._give_up(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        sys.setswitchinterval(self._interval)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Lets a coroutine run beside the others."""

        def begin() -> None:
            task = self._loop.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._loop.call_soon_threadsafe(begin)

    def get(self, url: str) -> tuple[int, bytes]:
        """Status and body of an answer, waiting for it."""
        wait = asyncio.run_coroutine_threadsafe(self._ask("GET", url, None, 16 << 20), self._loop)
        status, _, body = wait.result()
        return status, body

    async def post(
        self, url: str, body: Mapping[str, Any], most: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of the answer.

        Raises:
          _Endless: the body has more than `most` bytes.
          TimeoutError: it takes too long, though bytes come all the time.
        """
        return await self._ask("POST", url, body, most)

    async def _ask(
        self, method: str, url: str, body: Mapping[str, Any] | None, most: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        received = bytearray()
        async with (
            asyncio.timeout(DRIPPING * self._timeout),
            self._http.stream(method, url, json=body) as answer,
        ):
            async for piece in answer.aiter_bytes():
                received += piece
                if len(received) > most:
                    raise _Endless(f"an answer of more than {most} bytes")
            return answer.status_code, answer.headers, bytes(received)

    async def _give_up(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.aclose()


def _asked_for(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, by the Retry-After header (RFC 9110: seconds, or a date)."""
    asked = headers.get("Retry-After", "").strip()
    with contextlib.suppress(ValueError, TypeError):
        if asked.isdecimal():
            return min(float(asked), LONGEST_ASKED_FOR)
        if asked:
            wait = email.utils.parsedate_to_datetime(asked).timestamp() - time.time()
            return min(max(wait, 0.0), LONGEST_ASKED_FOR)
    return None


def _said(body: bytes) -> str:
    """What a server says of an error, on one line."""
    text = body[:2000].decode("utf-8", "replace")
    with contextlib.suppress(ValueError, LookupError, TypeError):
        error = json.loads(text)["error"]
        text = str(error["message"] if isinstance(error, dict) else error)
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.split())[:200] or "nothing more said"
