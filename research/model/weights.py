"""Weights as artefacts, and to and from Hugging Face folders and GGUF files.

`<root>/weights/<name>/` is what an import makes and `load_weights` reads:

    model.safetensors   every parameter, named by its path in our tree ('layers/attention/query')
    model.json          the ModelConfig
    tokenizer/          the tokenizer's files, as they were found
    manifest.json       hashes, and what it was made from
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import safetensors
from safetensors.numpy import save_file

from research import artefacts
from research.errors import GristmillError
from research.model.config import ModelConfig
from research.model.families import Tensor, hf_tensors, read_hf_config, relayout, write_hf_config
from research.model.transformer import Params, abstract_params

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
MAKE_REMEDY = "gristmill weights import"
TENSORS, CONFIG, TOKENIZER = "model.safetensors", "model.json", "tokenizer"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "generation_config.json",
)
SHARD_BYTES = 5 * 10**9
DTYPES = {"float32": np.dtype(np.float32), "bfloat16": np.dtype(ml_dtypes.bfloat16)}


@dataclasses.dataclass(frozen=True)
class Imported:
    """What `import_weights` made.

    Attributes:
      folder: of the artefact.
      family: where it came from: a model_type, or 'gguf llama'.
      config: its shape.
    """

    folder: Path
    family: str
    config: ModelConfig


def weights_folder(root: Path) -> Path:
    """Where weights lie."""
    return root / "weights"


def load_weights(root: Path, name: str) -> tuple[ModelConfig, Params]:
    """Reads imported weights.

    Args:
      root: the data folder.
      name: as it was imported.

    Returns:
      The shape and the parameters, as float32 numpy arrays that a `jax.device_put` with
      `param_shardings` lays out.

    Raises:
      GristmillError: there are no such weights, or they are damaged.
    """
    folder = weights_folder(root) / name
    remedy = f"{MAKE_REMEDY} … --name {name}"
    artefacts.read_manifest(folder, "weights", remedy)
    try:
        settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        config = ModelConfig(**settings)
    except (OSError, ValueError, TypeError):
        raise GristmillError(f"{folder / CONFIG} is damaged; delete {folder}: {remedy}") from None
    with _open(folder / TENSORS) as file:
        present = set(file.keys())

        def read(path: str, shape: tuple[int, ...]) -> np.ndarray:
            if path not in present:
                raise GristmillError(f"{folder / TENSORS} has no tensor {path}")
            array = _tensor(file, path, folder / TENSORS)
            _check_shape(array.shape, shape, path, folder / TENSORS)
            return array

        return config, _unflatten(
            {path: read(path, leaf.shape) for path, leaf in _flat(abstract_params(config)).items()}
        )


def import_weights(root: Path, path: Path, name: str, command: str) -> Imported:
    """Makes the artefact `<root>/weights/<name>/`.

    Args:
      root: the data folder.
      path: a Hugging Face folder (config.json, safetensors) or a .gguf file.
      name: of the artefact.
      command: recorded in the manifest.

    Raises:
      GristmillError: the family is not supported, a tensor is missing, unexpected or of another
        shape, a file is truncated, the tokenizer has more ids than the model, or the name is
        taken.
    """
    if not NAME.fullmatch(name):
        raise GristmillError(f"--name {name}: use letters, digits, '.', '_' and '-'")
    folder = weights_folder(root) / name
    with artefacts.exclusive(folder):
        if (folder / artefacts.MANIFEST).exists():
            raise GristmillError(f"{folder} already exists; give another --name, or delete it")
        artefacts.remove_temporaries(folder)
        tokenizer = folder / TOKENIZER
        shutil.rmtree(tokenizer, ignore_errors=True)
        if path.is_dir():
            family, config, params = read_hf(path)
            copy_tokenizer(path, tokenizer)
        elif path.suffix == ".gguf":
            from research.model.gguf_weights import read_gguf

            family, config, params = read_gguf(path, tokenizer)
        elif path.exists():
            raise GristmillError(f"{path} is neither a folder with config.json nor a .gguf file")
        else:
            raise GristmillError(f"{path} does not exist")
        check_tokenizer(tokenizer, config)
        with artefacts.atomic_file(folder / TENSORS) as file:
            # the library writes the bytes as they lie, transposed arrays transposed
            flat = {path: np.ascontiguousarray(leaf) for path, leaf in _flat(params).items()}
            save_file(flat, file.name)
        artefacts.write_json(folder / CONFIG, dataclasses.asdict(config))
        files = [TENSORS, CONFIG, *(f"{TOKENIZER}/{f.name}" for f in sorted(tokenizer.iterdir()))]
        described = artefacts.describe_files(folder, files)
        manifest = {
            "kind": "weights",
            "name": name,
            "fingerprint": artefacts.fingerprint(
                {file: entry["sha256"] for file, entry in described.items()}
            ),
            "family": family,
            "files": described,
            "made_by": {
                "command": command,
                "inputs": [{"path": path.name}],
                "tools": artefacts.tool_versions("safetensors", "numpy"),
            },
        }
        artefacts.write_manifest(folder, manifest)
    return Imported(folder, family, config)


def read_hf(folder: Path) -> tuple[str, ModelConfig, Params]:
    """The model of a Hugging Face folder: (model_type, shape, float32 parameters).

    Raises:
      GristmillError: as for `import_weights`.
    """
    where = folder / "config.json"
    try:
        hf = json.loads(where.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GristmillError(f"{folder} has no config.json: not a Hugging Face model") from None
    except ValueError:
        raise GristmillError(f"{where} is no JSON") from None
    family, config = read_hf_config(hf, str(where))
    files = _locate_tensors(folder)
    prefix = _text_prefix(files)
    params = {
        path: np.empty(leaf.shape, np.float32)
        for path, leaf in _flat(abstract_params(config)).items()
    }
    wanted = list(hf_tensors(config, family))
    _check_names(files, prefix, wanted, config, folder)
    for file_path in sorted(set(files.values())):
        with _open(file_path) as file:
            for tensor in wanted:
                if files.get(prefix + tensor.name) != file_path:
                    continue
                array = _tensor(file, prefix + tensor.name, file_path)
                _check_shape(array.shape, tensor.shape, tensor.name, file_path)
                place = params[tensor.path]
                place[... if tensor.layer is None else tensor.layer] = tensor.to_ours(array)
    return family.model_type, config, _unflatten(params)


def export_hf(
    config: ModelConfig,
    params: Params,
    tokenizer_folder: Path | None,
    out: Path,
    dtype: str = "float32",
) -> list[Path]:
    """Writes a folder that `transformers` loads, in shards of at most 5 GB.

    Args:
      config: the model's shape; interleaved rotary pairs are put into halves.
      params: its parameters, as numpy or jax arrays; fetched a layer at a time.
      tokenizer_folder: a vocabulary of ours, the tokenizer of imported weights or any folder with
        tokenizer files; None for none.
      out: a new or empty folder.
      dtype: of the tensors: 'float32' or 'bfloat16'.

    Returns:
      The files, the model's first.

    Raises:
      GristmillError: no family holds this model, the folder is not empty, or the tokenizer has
        more ids than the model.
    """
    if dtype not in DTYPES:
        raise GristmillError(f"dtype is one of {', '.join(DTYPES)}, not {dtype!r}")
    family, hf = write_hf_config(config)
    if out.exists() and any(out.iterdir()):
        raise GristmillError(f"{out} is not empty; give a new folder")
    out.mkdir(parents=True, exist_ok=True)
    if tokenizer_folder is not None:
        from research.model.hf_tokenizer import write_tokenizer

        special = write_tokenizer(tokenizer_folder, out)
        check_tokenizer(out, config)
        hf |= special
    hf["torch_dtype"] = dtype
    flat = _flat(params)
    shards = _shards(list(hf_tensors(config, family)), DTYPES[dtype].itemsize)
    index: dict[str, str] = {}
    written = []
    for number, shard in enumerate(shards, 1):
        name = "model.safetensors"
        if len(shards) > 1:
            name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors = {}
        for tensor in shard:
            whole = flat[tensor.path]
            array = np.asarray(whole if tensor.layer is None else whole[tensor.layer])
            array = relayout(tensor.path, array, config, "halves")
            tensors[tensor.name] = tensor.to_hf(array).astype(DTYPES[dtype], copy=False)
            index[tensor.name] = name
        with artefacts.atomic_file(out / name) as file:
            save_file(tensors, file.name, metadata={"format": "pt"})
        written.append(out / name)
    if len(shards) > 1:
        total = sum(DTYPES[dtype].itemsize * np.prod(t.shape) for s in shards for t in s)
        entry = {"metadata": {"total_size": int(total)}, "weight_map": index}
        artefacts.write_json(out / "model.safetensors.index.json", entry)
    artefacts.write_json(out / "config.json", hf)
    return [*written, *(path for path in sorted(out.iterdir()) if path not in written)]


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copies the tokenizer files of a folder, those that there are."""
    target.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)


def check_tokenizer(folder: Path, config: ModelConfig) -> None:
    """Raises GristmillError if the tokenizer of a folder gives ids that the model has no row for.

    Added tokens do not count: Gemma 3's tokenizer has one for images that its text models lack.
    """
    path = folder / "tokenizer.json"
    if path.exists():
        import tokenizers

        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises Exception itself
            raise GristmillError(f"{path} is no tokenizer ({error})") from None
        size = 1 + max(tokenizer.get_vocab(with_added_tokens=False).values(), default=-1)
    elif (path := folder / "tokenizer.model").exists():
        import sentencepiece

        try:
            size = sentencepiece.SentencePieceProcessor(model_file=str(path)).vocab_size()
        except (RuntimeError, OSError):
            raise GristmillError(f"{path} is no SentencePiece model") from None
    else:
        return
    if size > config.vocabulary_size:
        raise GristmillError(
            f"{path} has {size} ids, the model's vocabulary {config.vocabulary_size}; "
            "a model needs a row for each"
        )


def _shards(tensors: list[Tensor], itemsize: int) -> list[list[Tensor]]:
    shards: list[list[Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        added = itemsize * int(np.prod(tensor.shape))
        if shards[-1] and size + added > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size += added
    return shards


def _locate_tensors(folder: Path) -> dict[str, Path]:
    """Which safetensors file holds each tensor."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        try:
            names = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
            located = {name: folder / file for name, file in names.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise GristmillError(f"{index} is no index of safetensors files") from None
        for path in sorted(set(located.values())):
            if path.parent != folder or not path.exists():
                raise GristmillError(f"{index} names {path.name}, which is not in {folder}")
        return located
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise GristmillError(f"{folder} has no .safetensors files")
    located = {}
    for path in paths:
        with _open(path) as file:
            located |= dict.fromkeys(file.keys(), path)
    return located


def _text_prefix(files: Mapping[str, Path]) -> str:
    """What multimodal checkpoints put before the text model's names."""
    for prefix in ("", "language_model."):
        if f"{prefix}model.embed_tokens.weight" in files:
            return prefix
    return ""


def _check_names(
    files: Mapping[str, Path],
    prefix: str,
    wanted: list[Tensor],
    config: ModelConfig,
    folder: Path,
) -> None:
    names = {prefix + tensor.name for tensor in wanted}
    if missing := sorted(names - set(files)):
        raise GristmillError(
            f"{folder} lacks {len(missing)} of {len(names)} tensors that its config.json asks "
            f"for, first {missing[0]}"
        )
    # what older exports carry along: tables that follow from the config, a copy of a tied matrix
    redundant = re.compile(
        r"rotary_emb\.inv_freq$" + ("|lm_head" if config.tied_embeddings else "")
    )
    spare = [
        name
        for name in sorted(set(files) - names)
        if name.startswith(prefix) and not redundant.search(name)
    ]
    if spare:
        raise GristmillError(
            f"{folder} has {len(spare)} tensors that its config.json does not ask for, "
            f"first {spare[0]}"
        )


def _open(path: Path) -> Any:
    try:
        return safetensors.safe_open(str(path), framework="numpy")
    except FileNotFoundError:
        raise GristmillError(f"{path} does not exist") from None
    except safetensors.SafetensorError as error:
        raise GristmillError(f"{path} is damaged or cut short ({error})") from None


def _tensor(file: Any, name: str, path: Path) -> np.ndarray:
    array = file.get_tensor(name)
    if array.dtype.kind != "f" and array.dtype != ml_dtypes.bfloat16:
        raise GristmillError(f"{path}: {name} is {array.dtype}; weights are floating-point")
    return array.astype(np.float32, copy=False)


def _check_shape(found: tuple[int, ...], wanted: tuple[int, ...], name: str, where: Path) -> None:
    if tuple(found) != tuple(wanted):
        raise GristmillError(f"{where}: {name} is {list(found)}, the model's is {list(wanted)}")


def _flat(params: Params) -> dict[str, Any]:
    """The tree's leaves by path, its keys joined by '/'."""
    return dict(_walk(params, ""))


def _walk(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for name, child in node.items():
            yield from _walk(child, f"{path}/{name}" if path else name)
    else:
        yield path, node


def _unflatten(flat: Mapping[str, np.ndarray]) -> Params:
    tree: Params = {}
    for path, leaf in flat.items():
        *folders, name = path.split("/")
        node = tree
        for part in folders:
            node = node.setdefault(part, {})
        node[name] = leaf
    return tree
