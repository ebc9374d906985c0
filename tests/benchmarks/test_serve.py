"""The serve benchmark on a real Ray: in a few seconds with each test run, in full as a proof.

It runs in a process of its own, as it starts Ray and ends it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.result import BenchmarkResult, read_result
from benchmarks.serve_path import CALLER, OTHERS, RAYLET, REPLICA
from tests.camera_adapters.clips import TinyClip
from tests.e2e.command import cityeye, free_ports

ROLES = (CALLER, REPLICA, RAYLET, OTHERS)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tiny_clip: TinyClip) -> BenchmarkResult:
    folder = tmp_path_factory.mktemp("serve")
    few = ("--batch", "1", "--batch", "2", "--rounds", "2", "--seconds", "0.2")
    where = ("--clip", str(tiny_clip.path), "--port", str(free_ports(1)[0]))
    done = cityeye("bench", "serve", *few, *where, "--json", "serve.json", folder=folder)
    assert done.status == 0, done.output
    return read_result(folder / "serve.json")


ray = [pytest.mark.integration, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]


class TestAShortRun:
    pytestmark = ray

    def test_both_sides_and_their_ratio_are_reported_by_batch(self, served):
        for batch in (1, 2):
            bare = served.metric(f"images_per_s[path=bare,batch={batch}]").samples
            assert min(bare) > 0
            for callers in (1, 2):
                own = f"path=serve,batch={batch},callers={callers}"
                speed = served.metric(f"images_per_s[{own}]").samples
                ratios = served.metric(f"ratio[batch={batch},callers={callers}]").samples
                assert ratios == pytest.approx([a / b for a, b in zip(speed, bare, strict=True)])

    def test_the_time_in_the_model_is_part_of_the_latency(self, served):
        for batch in (1, 2):
            own = f"path=serve,batch={batch},callers=1"
            latency = served.metric(f"p50_ms[{own}]").median
            assert 0 < batch * served.metric(f"run_ms[{own}]").median < 2 * latency
            assert 0 < served.metric(f"replica_busy[{own}]").median <= 1.001

    def test_processor_time_is_given_by_process(self, served):
        own = "path=serve,batch=1,callers=1"
        parts = [served.metric(f"{role}_cpu_ms[{own}]").samples for role in ROLES]
        sums = [sum(one) for one in zip(*parts, strict=True)]
        assert served.metric(f"cpu_ms[{own}]").samples == pytest.approx(sums)
        assert min(sums) > 0

    def test_the_tables_have_a_row_for_every_batch_and_number_of_callers(self, served):
        for table in served.tables:
            assert [row[:2] for row in table.rows] == [(1, 1), (1, 2), (2, 1), (2, 2)]
        assert len(served.plot.lines) == 3
        assert served.machine.versions["ray"]


@pytest.mark.proof
@pytest.mark.ray
@pytest.mark.timeout(900)
def test_ray_serve_reaches_most_of_what_a_bare_session_does(tmp_path: Path) -> None:
    done = cityeye("bench", "serve", "--json", "serve.json", folder=tmp_path)
    assert done.status == 0, done.output
    result = read_result(tmp_path / "serve.json")
    for batch in (8, 16):
        assert result.metric(f"ratio[batch={batch},callers=2]").median > 0.8, done.output
