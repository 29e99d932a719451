"""Manifests that were cut or edited are found out, and `verify` passes over nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from research import artefacts, cli
from research.errors import GristmillError


def weights(folder: Path) -> Path:
    """A small artefact."""
    folder.mkdir(parents=True)
    (folder / "x.bin").write_bytes(b"abc")
    manifest = {
        "kind": "weights", "name": "w", "fingerprint": "f", "family": "llama", 1: {10: 0.1, 9: "é"},
        "files": artefacts.describe_files(folder, ["x.bin"]),
        "made_by": {"command": "gristmill weights import"},
    }  # fmt: skip
    artefacts.write_manifest(folder, manifest)
    return folder


def without(key: str) -> Callable[[dict], dict]:
    return lambda manifest: {name: manifest[name] for name in manifest if name != key}


CHANGES = {
    "edited": (lambda manifest: manifest | {"fingerprint": "g"}, "manifest_sha256 differs"),
    "files": (lambda manifest: manifest | {"files": [1]}, "manifest_sha256 differs"),
    "key lost": (without("files"), "manifest_sha256 differs"),
    "hash lost": (without("manifest_sha256"), "no manifest_sha256"),
    "list": (lambda manifest: [manifest], "not a JSON object"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_manifest_that_was_changed(tmp_path: Path, change: str, capsys) -> None:
    folder = weights(tmp_path / "w")
    assert artefacts.read_manifest(folder, "weights", "x")["1"] == {"10": 0.1, "9": "é"}
    path = folder / "manifest.json"
    edit, said = CHANGES[change]
    path.write_text(json.dumps(edit(json.loads(path.read_text()))))
    with pytest.raises(GristmillError, match=said) as error:
        artefacts.read_manifest(folder, "weights", "make it")
    assert f"delete {folder} and run: make it" in str(error.value)
    assert cli.main(["verify", str(folder)]) == 1
    assert "DAMAGED" in capsys.readouterr().out


def test_manifest_of_another_version_lacks_keys(tmp_path: Path) -> None:
    artefacts.write_manifest(tmp_path, {"kind": "corpus", "name": "x"})
    with pytest.raises(GristmillError, match="lacks bytes, definition, documents, files"):
        artefacts.read_manifest(tmp_path, "corpus", "x")
    with pytest.raises(GristmillError, match="lacks bytes"):
        artefacts.verify(tmp_path)


def test_verify_follows_links_and_names_what_is_unfinished(tmp_path: Path, capsys) -> None:
    weights(tmp_path / "elsewhere/w")
    root = tmp_path / "root"
    (root / "weights").mkdir(parents=True)
    (root / "weights/w").symlink_to(tmp_path / "elsewhere/w")
    (root / "weights/loop").symlink_to(root)
    assert cli.main(["verify", str(root)]) == 0
    assert capsys.readouterr().out == f"ok {root}/weights/w: 1 files, 3B\n"

    for split in ("train", "validation"):  # a finished cache has its manifests below its lock
        weights(root / f"caches/done/{split}")
    (root / "caches/done/.lock").touch()
    (root / "run").mkdir()  # a run is no artefact, though it has a lock
    for name in (".lock", "spec.json"):
        (root / "run" / name).touch()
    assert cli.main(["verify", str(root)]) == 0
    capsys.readouterr()

    weights(root / "caches/begun/train")
    (root / "caches/begun/parts").mkdir()
    (root / "corpora/x/1").mkdir(parents=True)
    (root / "corpora/x/1/.lock").touch()
    (root / "corpora/gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "elsewhere/w/x.bin").unlink()
    assert cli.main(["verify", str(root)]) == 1
    output = capsys.readouterr().out
    for said in (
        f"UNFINISHED {root}/caches/begun:",
        f"UNFINISHED {root}/corpora/x/1:",
        f"DAMAGED {root}/corpora/gone is a link that leads nowhere",
        f"DAMAGED {root}/weights/w: x.bin is missing; delete that folder and run: gristmill weig",
    ):
        assert said in output
    assert output.count("\nok ") + output.startswith("ok ") == 3
