"""The outbox measured for a moment: every sink stores, delivers, and does both at once."""

from __future__ import annotations

import pytest

from benchmarks import outbox_receivers
from benchmarks.errors import BenchmarkError
from benchmarks.outbox import OutboxBenchmark, run
from benchmarks.outbox_receivers import RECEIVERS, missing


@pytest.mark.integration
def test_every_sink_that_can_run_is_measured(tmp_path):
    said: list[str] = []
    result = run(OutboxBenchmark(rounds=2, seconds=0.1, folder=tmp_path), said.append)
    kinds = [kind for kind in RECEIVERS if not missing(kind)]
    assert "http" in kinds
    assert "kafka" in kinds
    assert result.settings["sinks"] == kinds
    for kind in kinds:
        for quantity in ("stored_per_s", "drained_per_s", "sustained_per_s", "delivery_ms"):
            samples = result.metric(f"{quantity}[sink={kind}]").samples
            assert len(samples) == 2
            assert min(samples) > 0
    assert [row[0] for row in result.tables[0].rows] == kinds
    assert list(tmp_path.iterdir()) == []


def test_a_sink_that_cannot_run_here_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(outbox_receivers, "find_spec", lambda _: None)
    said: list[str] = []
    with pytest.raises(BenchmarkError, match="no sink can be measured"):
        run(OutboxBenchmark(sinks=("kafka", "mqtt")), said.append)
    assert [line.rpartition("pip install ")[2] for line in said] == [
        "'cityeye[kafka]'",
        "'cityeye[mqtt]'",
    ]
