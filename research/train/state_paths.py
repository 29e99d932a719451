"""Trees of arrays as flat dicts by path, which checkpoints and overviews use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax


def flatten(tree: Any) -> dict[str, Any]:
    """Leaves by path: {'params/layers/mlp/up': …}."""
    paths, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in paths}


def unflatten(arrays: Mapping[str, Any], like: Any) -> Any:
    """Inverse of `flatten`, into the structure of `like`."""
    return jax.tree.unflatten(jax.tree.structure(like), [arrays[name] for name in flatten(like)])
