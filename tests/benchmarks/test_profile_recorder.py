"""What the recorder writes about a camera group that really runs."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.profiling.hooks import (
    CONVERSION,
    DECODE,
    DEMUX,
    FRAME,
    INTAKE,
    PUT,
    RULES,
    RUN,
    STATISTICS,
    TRACKER,
)
from benchmarks.profiling.recorder import LINES_FILE, MODES, ProfileLine
from simulation import encode_scene
from simulation.scenes import scene_named
from tests.benchmarks.recorded_group import read_lines

pytestmark = pytest.mark.slow

SCENE = "crossroad-jam"
ALWAYS = (DEMUX, DECODE, INTAKE, PUT, CONVERSION, RUN, FRAME, TRACKER, RULES, STATISTICS)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> list[ProfileLine]:
    folder = tmp_path_factory.mktemp("recorded")
    clip = folder / f"{SCENE}.mp4"
    encode_scene(scene_named(SCENE), clip, lambda *_: None, 2.0)
    command = [sys.executable, "-m", "tests.benchmarks.recorded_group", str(clip), str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    return read_lines(folder / "state" / "worker-0" / LINES_FILE)


def test_every_mode_is_recorded_and_no_time_is_missing_between_lines(lines):
    assert {line.mode for line in lines} == set(MODES)
    for line, following in pairwise(lines):
        assert line.from_s < line.to_s == following.from_s


def test_frames_and_processor_time_are_counted_in_every_mode(lines):
    for mode in MODES:
        own = [line for line in lines if line.mode == mode]
        assert sum(line.inferred for line in own) > 0
        assert sum(line.images for line in own) > 0
        assert sum(line.run_cpu_s for line in own) > 0
        assert sum(line.threads.get("camera-*", 0.0) for line in own) > 0


def test_clocks_are_there_in_their_mode_alone_and_miss_no_stage(lines):
    for before, line in pairwise(lines):
        # Calls that are under way when the clocks are taken away still count when they end.
        if before.mode == line.mode:
            assert bool(line.stages) is (line.mode == "stages")
    found = {stage for line in lines for _, stage, *_ in line.stages}
    assert set(ALWAYS) <= found


def test_stages_are_no_more_than_their_threads_use(lines):
    staged = [line for line in lines if line.mode == "stages"]
    for group in {group for line in staged for group, *_ in line.stages}:
        inside_s = sum(one[3] for line in staged for one in line.stages if one[0] == group)
        whole_s = sum(line.threads.get(group, 0.0) for line in staged)
        assert inside_s <= whole_s


def test_samples_are_taken_in_their_mode_alone_and_see_the_run(lines):
    for line in lines:
        assert (line.samples > 0) is (line.mode == "samples")
    running = {ours.partition(":")[2] for line in lines for _, ours, _, _ in line.running}
    assert any(name.startswith("Detector.run") for name in running)
