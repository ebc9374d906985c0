"""A hub measured for a moment: it takes everything, and answers all that is asked."""

from __future__ import annotations

import pytest

from benchmarks import hub
from benchmarks.errors import BenchmarkError
from benchmarks.hub import HubBenchmark, run
from benchmarks.hub_events import incidents, measurements
from benchmarks.hub_queries import QUERIES
from event_hub.envelope import parse_event


def test_events_of_the_benchmark_are_events_of_a_city() -> None:
    events = [*incidents(3), *incidents(3, first=3), *measurements(3)]
    names = {(one.source, one.id) for one in (parse_event(body).event for body in events)}
    assert len(names) == len(events)
    assert list(incidents(3)) == events[:3]


@pytest.mark.slow
@pytest.mark.integration
def test_a_hub_is_filled_and_asked(tmp_path) -> None:
    said: list[str] = []
    wanted = HubBenchmark(("sqlite",), 300, 600, requests=1, seconds=0.2, folder=tmp_path)
    result = run(wanted, said.append)
    for name in ("batch_incidents", "batch_measurements", "single", "single_8_senders"):
        assert result.metric(f"{name}_per_s[database=sqlite]").median > 0
    for query in QUERIES:
        p50 = result.metric(f"p50_ms[database=sqlite,query={query}]").median
        assert 0 < p50 <= result.metric(f"p95_ms[database=sqlite,query={query}]").median
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_run_here_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "is_installed", lambda: False)
    said: list[str] = []
    with pytest.raises(BenchmarkError, match="no database can be measured"):
        run(HubBenchmark(("postgresql",)), said.append)
    assert "pgserver" in said[0]
