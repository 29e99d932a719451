"""The notebooks run on a small real sweep, and are stored without what another run printed."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "experiments" / "notebooks"


@pytest.mark.parametrize(
    ("name", "sweep"), [("analyse_sweep", "finished"), ("scaling", "two_sizes")]
)
def test_it_runs_and_is_stored_without_outputs(
    name: str, sweep: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    monkeypatch.setenv("GRISTMILL_SWEEP", str(request.getfixturevalue(sweep)))
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in code for output in cell.outputs]
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(figures) == {"analyse_sweep": 5, "scaling": 2}[name]
    assert not [output for output in outputs if output.get("name") == "stderr"]


def test_every_notebook_is_run() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == {"analyse_sweep", "scaling"}
