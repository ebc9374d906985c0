"""A hub measured for a moment: it takes everything, and answers all that is asked."""

from __future__ import annotations

import json
from typing import cast

import pytest

from benchmarks import hub
from benchmarks.errors import BenchmarkError
from benchmarks.hub import DATABASES, HubBenchmark, run
from benchmarks.hub_events import CAMERAS, MEASURED, camera_states, incidents, measurements
from benchmarks.hub_ingest import ingested, ingested_by_two
from benchmarks.hub_pages import PAGES, browser_program
from benchmarks.hub_process import BenchHub
from benchmarks.hub_queries import QUERIES
from event_hub.envelope import parse_event


def test_events_of_the_benchmark_are_events_of_a_city() -> None:
    events = [*incidents(3), *incidents(3, first=3), *measurements(3), *camera_states()]
    names = {(one.source, one.id) for one in (parse_event(body).event for body in events)}
    assert len(names) == len(events)
    assert list(incidents(3)) == events[:3]


def test_no_two_measurements_of_the_benchmark_are_one_event() -> None:
    of_a_day = CAMERAS * len(MEASURED) * 24 * 60
    # The first of each day, out of all those of a million.
    days = [json.loads(next(measurements(count))) for count in (1, of_a_day + 1, 2 * of_a_day + 1)]
    assert len({one["id"] for one in days}) == 3


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.timeout(400)
def test_hubs_are_filled_and_asked_and_their_pages_opened(tmp_path) -> None:
    wanted = HubBenchmark(DATABASES, 300, 600, requests=1, seconds=0.1, folder=tmp_path)
    result = run(wanted, lambda _: None)
    for database in DATABASES:
        for name in ("batch_incidents", "batch_measurements", "single", "single_8_senders"):
            assert result.metric(f"{name}_per_s[database={database}]").median > 0
        for query in QUERIES:
            assert result.metric(f"answer_ms[database={database},query={query}]").median > 0
        for page in PAGES if browser_program() else ():
            assert result.metric(f"interactive_ms[database={database},page={page}]").median > 0
    assert result.metric("two_hubs_each_10_times_per_s[database=postgresql]").median > 0
    assert list(tmp_path.iterdir()) == []


class Forgetful:
    """A hub that acknowledges everything, and keeps each event so many times."""

    def __init__(self, copies: int) -> None:
        self.copies = copies
        self.kept = 0

    def send(self, event: bytes) -> None:
        self.kept += self.copies

    def send_batch(self, events: list[bytes]) -> None:
        self.kept += self.copies * len(events)

    def events(self) -> int:
        return self.kept


@pytest.mark.parametrize("copies", [0, 2])
def test_a_hub_that_loses_or_repeats_events_is_not_measured(copies: int) -> None:
    hub = cast("BenchHub", Forgetful(copies))
    with pytest.raises(BenchmarkError, match=r"keeps .* events of"):
        ingested(hub, 3, 3, 0.1, lambda _: None)
    with pytest.raises(BenchmarkError, match=r"keeps .* events of"):
        ingested_by_two((hub, hub), 0.05)


def test_what_cannot_run_here_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "is_installed", lambda: False)
    said: list[str] = []
    with pytest.raises(BenchmarkError, match="no database can be measured"):
        run(HubBenchmark(("postgresql",)), said.append)
    assert "pgserver" in said[0]
