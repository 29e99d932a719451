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
    kinds = "jax: imported weights, in this process; http: any OpenAI-compatible server"
    add("--engine", choices=("jax", "http"), help=kinds)
    add("--model", help="jax: name of imported weights; http: the server's name of it")
    at_a_time = "answers in the making at a time (default: %(default)s)"
    add("--concurrency", type=parse_count, default=16, metavar="N", help=at_a_time)
    longest = "jax: a prompt with its answer has at most (default: %(default)s)"
    add("--context", type=parse_count, default=2048, metavar="TOKENS", help=longest)
    add("--mesh", help="jax: devices to split the model over, as tensor=4 (default: one)")
    add("--url", help="http: of the server, as http://127.0.0.1:8000/v1")
    name = "http: environment variable with the key (default: %(default)s)"
    add("--key-env", default="OPENAI_API_KEY", metavar="VARIABLE", help=name)
    silence = "http: without a byte, before an attempt is given up (default: %(default)s)"
    add("--timeout", type=float, default=300.0, metavar="SECONDS", help=silence)


def open_engine(args: argparse.Namespace) -> Engine:
    """The engine that the options name.

    Raises:
      GristmillError: an option is missing, or there is no such server or model.
    """
    if args.engine == "jax":
        return _open_jax(args)
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


def _open_jax(args: argparse.Namespace) -> Engine:
    if not args.model:
        raise GristmillError(
            "--engine jax: name imported weights with --model; import some with: "
            "gristmill weights import FILE --name NAME"
        )
    from research.jax_engine import JaxEngine
    from research.model.sharding import MeshSpec
    from research.train.loop import use_compile_cache
    from research.train.run_spec import ExecSpec

    use_compile_cache(ExecSpec())
    mesh = MeshSpec.parse(args.mesh) if args.mesh else None
    size = {"slots": args.concurrency, "context": args.context}
    return JaxEngine(data_root(), args.model, **size, mesh=mesh)
