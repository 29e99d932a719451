"""The options that choose a language model, for every command that asks one."""

from __future__ import annotations

import argparse
import os

from research.artefacts import data_root
from research.errors import GristmillError
from research.rephrase.engine import Engine
from research.terminal import parse_count


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Gives a command the options that `open_engine` reads."""
    add = parser.add_argument
    kinds = "http: any OpenAI-compatible server; jax: imported weights, on this machine"
    add("--engine", choices=("http", "jax"), help=kinds)
    add("--url", help="http: of the server, as http://127.0.0.1:8000/v1")
    add("--model", help="http: the server's name of it; jax: name of the weights")
    name = "http: environment variable with the key (default: %(default)s)"
    add("--key-env", default="OPENAI_API_KEY", metavar="VARIABLE", help=name)
    at_a_time = "answers in the making at a time (default: %(default)s)"
    add("--concurrency", type=parse_count, default=16, metavar="N", help=at_a_time)
    silence = "http: without a byte, before an attempt is given up (default: %(default)s)"
    add("--timeout", type=float, default=300.0, metavar="SECONDS", help=silence)


def open_engine(args: argparse.Namespace) -> Engine:
    """The engine that the options name.

    Raises:
      GristmillError: an option is missing, or there is no such server or model.
    """
    if args.engine == "jax":
        if not args.model:
            raise GristmillError("--engine jax: name the weights with --model (weights import)")
        from research.jax_engine import JaxEngine

        return JaxEngine(data_root(), args.model, slots=args.concurrency)
    if not args.url:
        raise GristmillError(
            "--engine http: name the server with --url, as http://127.0.0.1:8000/v1"
        )
    from research.rephrase.http_engine import HttpEngine

    return HttpEngine(
        args.url,
        args.model,
        key=os.environ.get(args.key_env) or None,
        key_name=args.key_env,
        concurrency=args.concurrency,
        timeout=args.timeout,
    )
