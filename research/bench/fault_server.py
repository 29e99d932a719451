"""A server that speaks as much of OpenAI's interface as a client needs, on loopback, with faults.

It answers with the words of the last message in reverse, some tenths of a second later, and counts
what it did; a share of its requests meets one of five faults instead.  Run as a script it prints
its port and serves until it is killed; it imports nothing else of Gristmill.

    python fault_server.py --slots 64 --seconds 0.2 --faults 0.1 --seed 0
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import time
from typing import Any

FAULTS = ("500", "429", "timeout", "truncated", "hang")
SILENCE = 3600.0  # seconds, of a hanging answer


class Server:
    """What one server is to do, and counts of what it did."""

    def __init__(self, slots: int, seconds: float, faults: float, seed: int, model: str) -> None:
        self.slots, self.seconds, self.faults, self.model = slots, seconds, faults, model
        self.random = random.Random(seed)
        self.delivered: dict[str, int] = {}
        self.met: dict[str, int] = {}
        self.received = self.tokens = 0
        self.room = asyncio.Semaphore(slots)
        self.active, self.changed = 0, time.monotonic()
        self.busy = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, with one request after another."""
        try:
            close = False
            while not close and (line := await reader.readline()):
                method, path, _ = line.decode().split(" ", 2)
                length = 0
                while (header := (await reader.readline()).decode().strip().lower()) != "":
                    name, _, value = header.partition(":")
                    length = int(value) if name == "content-length" else length
                    close |= name == "connection" and value.strip() == "close"
                body = await reader.readexactly(length)
                match method, path:
                    case "GET", "/v1/models":
                        _write(writer, 200, {"data": [{"id": self.model, "object": "model"}]})
                    case "GET", "/v1/stats":
                        _write(writer, 200, self.stats())
                    case "POST", "/v1/chat/completions" | "/chat/completions":
                        await self.complete(json.loads(body), writer)
                    case _:
                        _write(writer, 404, {"error": {"message": "there is nothing here"}})
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def complete(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        """One answer, or one fault."""
        self.received += 1
        fault = self.random.choice(FAULTS) if self.random.random() < self.faults else ""
        if fault:
            self.met[fault] = self.met.get(fault, 0) + 1
        if fault in ("500", "429"):
            extra = "Retry-After: 1\r\n" if fault == "429" else ""
            _write(writer, int(fault), {"error": {"message": "planted"}}, extra)
            return
        if fault == "hang":
            await asyncio.sleep(SILENCE)
        async with self.room:
            self.count(1)
            await asyncio.sleep(self.seconds * self.random.uniform(0.5, 1.5))
            self.count(-1)
        words = body["messages"][-1]["content"].split()[::-1][: body["max_tokens"]]
        answer = {
            "model": self.model,
            "choices": [{"message": {"content": " ".join(words)}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": len(words), "completion_tokens": len(words)},
        }
        if fault == "timeout":
            await asyncio.sleep(SILENCE)
        if fault == "truncated":
            _write(writer, 200, json.dumps(answer)[: 40 + len(words)])
            return
        _write(writer, 200, answer)
        await writer.drain()  # raises where the client is gone
        prompt = hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()
        self.tokens += 0 if prompt in self.delivered else 2 * len(words)
        self.delivered[prompt] = self.delivered.get(prompt, 0) + 1

    def count(self, change: int) -> None:
        """Follows how many slots are busy."""
        now = time.monotonic()
        self.busy += self.active * (now - self.changed)
        self.active, self.changed = self.active + change, now

    def stats(self) -> dict[str, Any]:
        """What the server did: `tokens` are of different prompts, `busy` is slots × seconds."""
        self.count(0)
        return {
            "received": self.received,
            "answers": sum(self.delivered.values()),
            "prompts": len(self.delivered),
            "faults": self.met,
            "tokens": self.tokens,
            "busy": self.busy,
        }


def _write(
    writer: asyncio.StreamWriter, status: int, answer: dict[str, Any] | str, extra: str = ""
) -> None:
    body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{extra}"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


async def main() -> None:
    """Serves until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="reverser")
    args = parser.parse_args()
    state = Server(args.slots, args.seconds, args.faults, args.seed, args.model)
    server = await asyncio.start_server(state.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
