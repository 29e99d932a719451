"""Fixtures of curation."""

from __future__ import annotations

from pathlib import Path

import pytest

from research.curate.steps import Step

# in a module of its own, that working processes can import
STEPS = '''
import dataclasses, os, signal
from typing import ClassVar
from research.curate.steps import Step

@dataclasses.dataclass(frozen=True)
class Fragile(Step):
    """Fails on some texts, and dies of others."""
    name: ClassVar[str] = "fragile"
    version: ClassVar[int] = 1

    def __call__(self, document):
        if "deadly" in document.text:
            os.kill(os.getpid(), signal.SIGKILL)
        if "odd" in document.text:
            raise ValueError("an odd text")
        return dataclasses.replace(document, text=document.text.replace("all", ""))
'''


@pytest.fixture
def fragile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    (tmp_path / "fragile_steps.py").write_text(STEPS)
    monkeypatch.syspath_prepend(tmp_path)
    import fragile_steps

    return fragile_steps.Fragile()
