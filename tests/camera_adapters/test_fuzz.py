"""Mutated video and descriptions end in faults or damaged images: no crash, no hang, no leak."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.camera_adapters.clips import write_clip

ONE_S = 0.1
"""What one access unit may take at the most, on average, with the start of the process."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("fuzz")
    made = [
        write_clip(folder / "plain.mp4", width=160, height=96, noise=True),
        write_clip(folder / "cabac.mp4", options={"preset": "medium", "bf": "2"}),
        write_clip(folder / "hevc.mp4", width=160, height=96, codec="libx265"),
    ]
    return [clip.path for clip in made]


def fuzz(count: int, seed: int, clips: list[Path]) -> tuple[int, int]:
    """Runs a process; how many units were tried and how many images came out."""
    command = [sys.executable, "-m", "tests.camera_adapters.fuzz_decoder", str(count), str(seed)]
    done = subprocess.run(
        [*command, *map(str, clips)],
        capture_output=True,
        text=True,
        timeout=30 + count * ONE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not done.stderr, done.stderr[-2000:]
    found = re.match(r"(\d+) tried, \d+ descriptions, (\d+) images", done.stdout)
    assert found, done.stdout
    return int(found[1]), int(found[2])


@pytest.mark.slow
def test_hundreds_of_mutations(clips):
    tried, images = fuzz(400, 1, clips)
    assert tried >= 400
    assert images > 20, "or nothing reached the decoder"


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_mutations(clips, seed):
    tried, images = fuzz(1000, 1000 + seed, clips)
    assert tried >= 1000
    assert images > 50
