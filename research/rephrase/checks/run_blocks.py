"""Runs inside of the sandbox: blocks of Python one after the other, as a notebook does.

It reads from standard input a word and the blocks; prints the word and, as JSON, the output of each
block, and the error that stopped the last of them.
"""

import ast
import io
import json
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout


def main() -> None:
    """Runs the blocks in one namespace, up to the first that fails."""
    job = json.loads(sys.stdin.readline())
    namespace: dict = {"__name__": "__main__"}
    outputs, error = [], ""
    for number, block in enumerate(job["blocks"], start=1):
        said = io.StringIO()
        try:
            with redirect_stdout(said), redirect_stderr(io.StringIO()):
                run(block, namespace)
        except BaseException as raised:
            last = traceback.format_exception_only(type(raised), raised)[-1].strip()
            error = f"block {number}: {last[:300]}"
            break
        outputs.append(said.getvalue())
    print(f"\n{job['word']}{json.dumps({'outputs': outputs, 'error': error})}", flush=True)


def run(block: str, namespace: dict) -> None:
    """Executes a block; the value of an expression at its end is printed."""
    tree = ast.parse(block)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "block", "exec"), namespace)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), "block", "eval"), namespace)
        if value is not None:
            print(repr(value))


if __name__ == "__main__":
    main()
