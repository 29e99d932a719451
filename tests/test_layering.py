"""Imports flow one way, and light things stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
# a package may import those before it; `model` stands beside `input_pipeline`
FLOW = [
    "corpora",
    "curate",
    "rephrase",
    "registry",
    "input_pipeline",
    "train",
    "evaluate",
    "analyse",
]
ALLOWED = {package: set(FLOW[: i + 1]) for i, package in enumerate(FLOW)}
ALLOWED["model"] = {"model"}
for package in FLOW[FLOW.index("train") :]:
    ALLOWED[package].add("model")
ALLOWED["mix"] = {*FLOW, "model", "mix"}
ALLOWED["select"] = {*FLOW, "model", "select"}
ALLOWED["bench"] = {*FLOW, "model", "mix", "select", "bench"}
TENSORFLOW = {"tensorflow", "seqio", "tensorflow_datasets", "tensorflow_text"}


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Modules that a file imports, and whether it does so inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    local = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in local) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield f"{node.module}.{alias.name}", id(node) in local


def source_files(folder: str) -> list[Path]:
    return sorted((REPOSITORY / folder).rglob("*.py"))


@pytest.mark.parametrize("path", source_files("research"), ids=lambda p: str(p.name))
def test_data_flows_one_way(path: Path) -> None:
    package = path.relative_to(REPOSITORY / "research").parts[0]
    for name, _ in imports(path):
        assert not name.startswith("experiments")
        top, _, rest = name.partition(".")
        used = rest.partition(".")[0]
        if top != "research" or used not in ALLOWED or package not in ALLOWED:
            continue  # the modules of `research` itself are for all
        assert used in ALLOWED[package], f"{path} imports {name}"


def test_tensorflow_is_imported_by_the_registry_alone() -> None:
    for path in [*source_files("research"), *source_files("experiments")]:
        inside = path.relative_to(REPOSITORY)
        for name, local in imports(path):
            if name.partition(".")[0] not in TENSORFLOW or inside.parts[1] == "registry":
                continue
            reader = inside.parts[1] == "corpora" and local  # the one that reads TFDS
            assert reader, f"{inside} imports {name}"


HEAVY = ("tensorflow", "seqio", "jax", "pyarrow", "numpy", "grain")


def imported_by(code: str) -> set[str]:
    """Which heavy modules a fresh interpreter has loaded after running the code."""
    code += f"\nimport sys; print(*(set({HEAVY}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines()[-1].split())


def test_help_imports_nothing_heavy() -> None:
    code = "from research.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert imported_by(code) == set()


def test_batches_need_no_tensorflow() -> None:
    code = "import research.input_pipeline.loader, research.input_pipeline.commands"
    assert not imported_by(code) & {"tensorflow", "seqio", "jax"}
