"""`cityeye bench tracker`: its figures by hand, its faults by seed, and what it shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.tracker import TrackerBenchmark, run
from benchmarks.tracking.contestants import ByteTrack, CityTracker
from benchmarks.tracking.mot import MotFrame, evaluate, ghost_tracks
from benchmarks.tracking.noisy_detector import NoisyDetector
from benchmarks.tracking.sequence import FULL_FPS, SIZE_PX, at_rate, followed, recorded
from simulation.scenes import busy_crossroad, busy_square

pytest.importorskip("trackers", reason="the dependency group `tracking` is not installed")

HERE, THERE = (100, 100, 140, 200), (300, 100, 340, 200)


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def frame(second, truth, tracks, optional=(), riders=(), on_foot=()):
    """A frame from boxes by identity."""
    return MotFrame(
        float(second),
        boxes(*truth.values()),
        np.array(list(truth), np.int64),
        boxes(*optional),
        boxes(*tracks.values()),
        np.array(list(tracks), np.int64),
        boxes(*riders),
        np.array([track in on_foot for track in tracks], np.bool_),
    )


def test_perfect_tracks_have_no_fault():
    figures = evaluate([[frame(t, {1: HERE, 2: THERE}, {7: HERE, 8: THERE}) for t in range(10)]])
    assert (figures.mota, figures.idf1, figures.switches) == (1.0, 1.0, 0)
    assert (figures.ghosts_per_min, figures.riders_on_foot) == (0.0, 0.0)


def test_two_ids_for_one_object_are_a_switch_and_half_an_identity():
    frames = [frame(t, {1: HERE}, {7 if t < 5 else 8: HERE}) for t in range(10)]
    figures = evaluate([frames])
    assert figures.switches == 1
    assert figures.mota == pytest.approx(0.9)
    assert figures.idf1 == pytest.approx(0.5)


def test_missed_and_false_boxes_count_and_optional_objects_do_not():
    wrong = [frame(t, {1: HERE}, {7: THERE}) for t in range(4)]
    assert evaluate([wrong]).mota == -1.0
    optional = [frame(t, {1: HERE}, {7: HERE, 8: THERE}, optional=[THERE]) for t in range(4)]
    assert evaluate([optional]).mota == 1.0


@pytest.mark.parametrize(("seconds", "ghosts"), [(1, 0), (2, 1), (9, 1)])
def test_a_ghost_is_on_no_object_for_more_than_a_second(seconds, ghosts):
    frames = [frame(t, {1: HERE}, {7: THERE if t <= seconds else HERE}) for t in range(12)]
    assert ghost_tracks(frames) == ghosts


def test_riders_that_are_told_as_on_foot_are_counted():
    frames = [
        frame(t, {1: HERE}, {7: HERE, 8: THERE}, [THERE], [THERE], on_foot=[8] if t else [])
        for t in range(4)
    ]
    assert evaluate([frames]).riders_on_foot == 0.75


def test_faults_come_from_the_seed():
    view, scene = busy_square(1).view(SIZE_PX), busy_square(1)
    truths = [view.truth(scene.states_at(20 + k / FULL_FPS)) for k in range(15)]

    def rows(seed):
        detector = NoisyDetector(seed, SIZE_PX, FULL_FPS)
        return [detector.detect(truth) for truth in truths]

    first, again, other = rows(1), rows(1), rows(2)
    for one, same in zip(first, again, strict=True):
        assert one.boxes.tobytes() == same.boxes.tobytes()
        assert one.scores.tobytes() == same.scores.tobytes()
    assert any(len(one) != len(two) for one, two in zip(first, other, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("make", [busy_square, busy_crossroad])
def test_the_city_follows_a_crowd_no_worse_than_bytetrack_at_any_rate(make):
    frames = recorded(make(31), 31, 10.0)
    for fps in (2.0, 5.0, FULL_FPS):
        assert len(list(at_rate(frames, fps))) == pytest.approx(10 * fps, abs=1)
        ours, theirs = (evaluate([followed(frames, fps, who)]) for who in (CityTracker, ByteTrack))
        assert ours.mota >= theirs.mota - 0.01, fps
        assert ours.idf1 >= theirs.idf1 - 0.02, fps
        assert ours.ghosts_per_min == 0, fps
        assert ours.riders_on_foot < 0.1 * theirs.riders_on_foot + 0.01, fps
        if fps == 2.0:
            assert ours.mota > theirs.mota + 0.03
            assert ours.idf1 > theirs.idf1 + 0.03


@pytest.mark.slow
def test_the_result_has_a_sample_for_each_seed():
    said = []
    result = run(
        replace(TrackerBenchmark(), seeds=2, seconds=2.0, rates=(5.0,), rounds=1), said.append
    )
    assert len(result.metric("tracker.idf1[scene=square,fps=5,who=cityeye]").samples) == 2
    assert result.metric("tracker.ms[who=bytetrack]").median > 0
    assert len(result.tables[0].rows) == 4
    assert said
