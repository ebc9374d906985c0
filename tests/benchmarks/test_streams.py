"""The search for the largest number of cameras, and the service level that it asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import streams
from benchmarks.errors import BenchmarkError
from benchmarks.streams import StreamsBenchmark, StreamSearch, meets_level, run
from benchmarks.street import Load, Street, StreetRun

STREET = Street(Path("package"), Path("clip"), 12.5)
GOOD = StreetRun("loop", Load(4, 5.0), (5.0, 5.0, 4.8, 5.0), 100, 399, 500, 0.5, 200, 0, 0.02, 12.5)


@given(st.integers(0, 300), st.integers(1, 300), st.integers(1, 256))
def test_the_search_finds_the_largest_number_with_few_probes(largest, first, most):
    search = StreamSearch(first, most)
    probes = 0
    while not search.done:
        assert 1 <= search.count <= most
        search.note(passes=search.count <= largest)
        probes += 1
    assert search.passed == min(largest, most)
    assert probes <= 20


@pytest.mark.parametrize(
    ("change", "met"),
    [
        ({}, True),
        ({"rates": (5.0, 5.0, 4.74, 5.0)}, False),
        ({"age_p95_ms": 400.0}, False),
        ({"load": Load(4, 6.25)}, False),
    ],
)
def test_the_level_asks_for_every_cameras_rate_and_for_fresh_frames(change, met):
    assert meets_level(replace(GOOD, **change)) is met


class Machine:
    """Contestants that carry so many cameras, in place of real ones."""

    def __init__(self, monkeypatch, **carried):
        self.calls = []
        self.carried = carried
        self.disturbed = set()
        self.broken = {}
        monkeypatch.setattr(streams, "measure", self.measure)

    def measure(self, name, load, street, seconds):
        self.calls.append((name, load.cameras))
        if load.cameras >= self.broken.get(name, 1000):
            raise BenchmarkError(f"{name} ended (1)")
        passes = load.cameras <= self.carried[name]
        if load.cameras in self.disturbed:
            self.disturbed.remove(load.cameras)
            passes = False
        rate = load.fps if passes else load.fps * 0.5
        return replace(GOOD, contestant=name, load=load, rates=(rate,) * load.cameras)


def search(*contestants, rounds=1):
    lines = []
    benchmark = StreamsBenchmark(STREET, contestants, 5.0, first=4, most=64, rounds=rounds)
    return run(benchmark, lines.append), lines


def test_contestants_search_in_turns_and_every_probe_is_in_the_result(monkeypatch):
    machine = Machine(monkeypatch, cityeye=21, loop=13)
    result, lines = search("cityeye", "loop", rounds=2)
    assert [name for name, _ in machine.calls[:4]] == ["cityeye", "loop", "cityeye", "loop"]
    assert result.metric("streams.cameras[cityeye]").samples == (21.0, 21.0)
    assert result.metric("streams.cameras[loop]").samples == (13.0, 13.0)
    assert len(result.tables[1].rows) == len(machine.calls)
    assert sum("passes" in line or "misses" in line for line in lines) == len(machine.calls)


def test_one_disturbance_does_not_decide(monkeypatch):
    machine = Machine(monkeypatch, loop=13)
    machine.disturbed = {4, 8, 13}
    assert search("loop")[0].metric("streams.cameras[loop]").samples == (13.0,)


def test_a_contestant_that_breaks_under_more_cameras_misses(monkeypatch):
    machine = Machine(monkeypatch, loop=60)
    machine.broken = {"loop": 11}
    assert search("loop")[0].metric("streams.cameras[loop]").samples == (10.0,)


def test_a_contestant_that_never_runs_stops_the_benchmark(monkeypatch):
    machine = Machine(monkeypatch, loop=60)
    machine.broken = {"loop": 1}
    with pytest.raises(BenchmarkError, match="loop ended"):
        search("loop")


def test_a_rate_that_ultralytics_cannot_give_is_refused_with_those_that_it_can(monkeypatch):
    Machine(monkeypatch, ultralytics=60)
    with pytest.raises(BenchmarkError, match=r"12\.5, 6\.25, 4\.167"):
        search("ultralytics")
