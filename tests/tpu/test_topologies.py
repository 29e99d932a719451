"""The table of accelerator types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tpu import topologies

# (type, topology, chips, hosts), from the tables of cloud.google.com/tpu/docs
DOCUMENTED = [
    ("v4-8", "2x2x1", 4, 1),
    ("v4-512", "4x8x8", 256, 64),
    ("v5litepod-1", "1x1", 1, 1),
    ("v5litepod-8", "2x4", 8, 1),
    ("v5litepod-16", "4x4", 16, 4),
    ("v5litepod-256", "16x16", 256, 64),
    ("v5p-8", "2x2x1", 4, 1),
    ("v5p-1024", "8x8x8", 512, 128),
    ("v5p-12288", "16x16x24", 6144, 1536),
    ("v6e-8", "2x4", 8, 1),
    ("v6e-256", "16x16", 256, 64),
]


@pytest.mark.parametrize(("name", "topology", "chips", "hosts"), DOCUMENTED)
def test_types_are_as_documented(name: str, topology: str, chips: int, hosts: int) -> None:
    found = topologies.find(name)
    assert (found.accelerator_type, found.topology) == (name, topology)
    assert (found.chips, found.hosts) == (chips, hosts)
    assert found.compiler_name == f"{found.chip.name}:{topology}"


def test_every_slice_is_whole_hosts() -> None:
    assert len(topologies.SLICES) == sum(len(chip.shapes) for chip in topologies.CHIPS)
    for each in topologies.SLICES.values():
        assert each.hosts * each.chips_per_host == each.chips


def test_an_unknown_type_lists_the_known() -> None:
    with pytest.raises(ValueError, match=r"'v5e-256'; there are v4- 8, .*v5litepod- 1, 4, .*256"):
        topologies.find("v5e-256")


def test_nothing_but_the_standard_library_is_needed() -> None:
    launch = Path(topologies.__file__).with_name("launch.py")
    isolated = [sys.executable, "-S", str(launch), "--help"]
    help_text = subprocess.run(isolated, capture_output=True, text=True, check=True).stdout
    for command in ("create", "setup", "run", "watch", "status", "logs", "stop", "delete"):
        assert f"\n  {command} " in help_text
