"""Reads the numbers and words out of a joblib file without executing anything.

A joblib file is a pickle with raw arrays between its opcodes.  Loading a pickle may run any code
it names; here the opcodes are only listed (by the standard library's `pickletools`), and what they
would build is written down as plain values: an object becomes an `Inert` record of the name of
its class, its arguments and its state, and no class is ever looked up.
"""

from __future__ import annotations

import dataclasses
import io
import math
import pickletools
from typing import Any

import numpy as np

MARK = object()
DTYPES = {"f8": np.dtype("<f8"), "i8": np.dtype("<i8")}
ARRAY = "joblib.numpy_pickle NumpyArrayWrapper"
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
VALUES = {"SHORT_BINUNICODE", "BINUNICODE", "BININT", "BININT1", "BININT2", "BINFLOAT", "LONG1",
          "SHORT_BINBYTES"}  # fmt: skip
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclasses.dataclass
class Inert:
    """What stands for an object.

    Attributes:
      kind: module and name of its class.
      arguments: it would be made with.
      state: its attributes.
    """

    kind: str
    arguments: tuple[Any, ...] = ()
    state: Any = None


def read_joblib(data: bytes) -> Any:
    """The contents of a joblib file as dicts, lists, tuples, strings, numbers, arrays and `Inert`.

    Raises:
      ValueError: it is no such file, or has what is not expected in a table of numbers.
    """
    stream = io.BytesIO(data)
    stack: list[Any] = []
    memo: list[Any] = []

    def since_mark() -> list[Any]:
        place = max(i for i, item in enumerate(stack) if item is MARK)
        found = stack[place + 1 :]
        del stack[place:]
        return found

    try:
        for opcode, argument, _ in pickletools.genops(stream):
            name = opcode.name
            if name in VALUES:
                stack.append(argument)
            elif name in CONSTANTS:
                stack.append(CONSTANTS[name])
            elif name in TUPLES:
                size = TUPLES[name]
                stack[len(stack) - size :] = [tuple(stack[len(stack) - size :])]
            elif name == "TUPLE":
                stack.append(tuple(since_mark()))
            elif name in ("EMPTY_DICT", "EMPTY_LIST"):
                stack.append({} if name == "EMPTY_DICT" else [])
            elif name == "MARK":
                stack.append(MARK)
            elif name == "MEMOIZE":
                memo.append(stack[-1])
            elif name in ("BINGET", "LONG_BINGET"):
                stack.append(memo[argument])
            elif name in ("SETITEMS", "SETITEM"):
                pairs = since_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
                stack[-1].update(zip(pairs[::2], pairs[1::2], strict=True))
            elif name in ("APPENDS", "APPEND"):
                items = since_mark() if name == "APPENDS" else [stack.pop()]
                stack[-1].extend(items)
            elif name == "STACK_GLOBAL":
                stack[-2:] = [Inert(f"{stack[-2]} {stack[-1]}")]
            elif name in ("NEWOBJ", "REDUCE"):
                made, arguments = stack[-2:]
                stack[-2:] = [Inert(made.kind, arguments)]
            elif name == "BUILD":
                state = stack.pop()
                stack[-1].state = state
                if stack[-1].kind == ARRAY:
                    array = _read_array(stream, state)
                    memo[next(i for i, item in enumerate(memo) if item is stack[-1])] = array
                    stack[-1] = array
            elif name == "STOP":
                return stack.pop()
            elif name not in ("PROTO", "FRAME"):
                raise ValueError(f"opcode {name} is not expected in a table")
    except (IndexError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"no joblib file of a table ({type(error).__name__}: {error})") from None
    raise ValueError("it ends too early")


def _read_array(stream: io.BytesIO, state: dict[str, Any]) -> np.ndarray:
    dtype, shape = DTYPES[state["dtype"].arguments[0]], state["shape"]
    if state["numpy_array_alignment_bytes"]:
        stream.seek(int.from_bytes(stream.read(1), "little"), io.SEEK_CUR)
    found = np.frombuffer(stream.read(math.prod(shape) * dtype.itemsize), dtype)
    return found.reshape(shape, order=state["order"])
