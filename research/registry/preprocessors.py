"""Text preprocessors: pure Python functions `text -> text` that run with or without TensorFlow.

    @text_preprocessor
    def without_comments(text: str, marker: str = "#") -> str:
        return "\\n".join(line for line in text.split("\\n") if not line.startswith(marker))

    add_task("clean_code", corpus="code_sample", ...,
             preprocessors=[functools.partial(without_comments, marker="//")])

In a SeqIO Task the decorated function maps over a tf.data.Dataset; caches run the function itself.
Keep such functions in a module that does not import SeqIO, and processes that build caches need
not import TensorFlow.
"""

from __future__ import annotations

import functools
import json
import sys
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from research.errors import GristmillError
from research.registry import modules
from research.registry.source_hash import source_sha256
from research.registry.specs import PreprocessorSpec

TEXT = "text"  # the feature that text preprocessors change


class TextPreprocessor:
    """A function `text -> text` that can also be applied to a dataset, as SeqIO does."""

    def __init__(self, function: Callable[..., str]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, dataset: Any, **arguments: Any) -> Any:
        """Maps the function over the feature 'text' of a tf.data.Dataset."""
        import tensorflow as tf  # only SeqIO calls this, so that it is there already

        def on_bytes(text: bytes) -> bytes:
            return self.function(text.decode(), **arguments).encode()

        def on_example(example: Mapping[str, Any]) -> Mapping[str, Any]:
            text = tf.numpy_function(on_bytes, [example[TEXT]], tf.string)
            return {**example, TEXT: tf.ensure_shape(text, [])}

        return dataset.map(on_example, num_parallel_calls=tf.data.AUTOTUNE)


def text_preprocessor(function: Callable[..., str]) -> TextPreprocessor:
    """Decorates a function of a module: its first argument is the text, the rest are keywords.

    Raises:
      GristmillError: the function is defined inside another, where no import path leads to it.
    """
    if "<" in function.__qualname__:
        raise GristmillError(
            f"text preprocessor {function.__qualname__}: define it at the top of a module, so that "
            "it can be imported; give what varies as keyword arguments"
        )
    return TextPreprocessor(function)


@text_preprocessor
def normalize_unicode(text: str, form: str = "NFC") -> str:
    """Unicode normalisation (UAX 15): NFC composes accents, NFKC also folds compatibility forms."""
    return unicodedata.normalize(form, text)


@text_preprocessor
def strip_trailing_whitespace(text: str) -> str:
    """Removes spaces at the end of every line, and blank lines at the end of the text."""
    return "\n".join(line.rstrip(" \t\r") for line in text.split("\n")).rstrip("\n")


def describe(preprocessor: TextPreprocessor, arguments: Mapping[str, Any]) -> PreprocessorSpec:
    """The plain description by which another process finds the function again.

    Raises:
      GristmillError: the module does not hold the preprocessor under the function's own name, an
        argument is no JSON, or the function uses what cannot be described.
    """
    function = preprocessor.function
    module = sys.modules[function.__module__]
    if getattr(module, function.__name__, None) is not preprocessor:
        raise GristmillError(
            f"text preprocessor {function.__name__}: {module.__name__} does not hold it under that "
            "name; decorate the function where it is defined"
        )
    for name, value in arguments.items():
        if not _is_json(value):
            raise GristmillError(
                f"text preprocessor {function.__name__}: its argument {name}={value!r} would not "
                "come back from a file as it is; give finite numbers, strings, and lists and "
                "string-keyed dicts of them"
            )
    where = modules.name_of(function)
    return PreprocessorSpec(
        f"{where}:{function.__name__}", dict(arguments), source_sha256(function)
    )


def _is_json(value: Any) -> bool:
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        return json.loads(text.encode()) == value
    except (TypeError, ValueError):
        return False


def resolve(spec: PreprocessorSpec) -> Callable[[str], str]:
    """The function of a description, ready to be called with a text.

    Raises:
      GristmillError: it is not there any more, or has changed since it was described.
    """
    where, _, name = spec.function.rpartition(":")
    preprocessor = getattr(modules.import_module(where), name, None)
    if not isinstance(preprocessor, TextPreprocessor):
        raise GristmillError(f"{where} has no text preprocessor {name}; mend the module or Task")
    if source_sha256(preprocessor.function) != spec.source_sha256:
        raise GristmillError(f"text preprocessor {spec.function} has changed since this Task was "
                             "exported; run the same command again")  # fmt: skip
    return functools.partial(preprocessor.function, **spec.arguments)
