"""How fast a hub takes events, and answers with very many of them stored, on each kind of database.

The hub is a process of its own, asked over HTTP. It is filled in batches, each on the disk when its
answer comes: that is the measurement of batches. Then everything that people ask is asked, one
request after the other.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from benchmarks.errors import BenchmarkError
from benchmarks.hub_ingest import BATCH, REPEATED, SENDERS, ingested, ingested_by_two
from benchmarks.hub_pages import PAGES, browser_program, interactive_ms
from benchmarks.hub_process import BenchHub, running_hub
from benchmarks.hub_queries import QUERIES, KnownIncidents
from benchmarks.postgres_server import is_installed, new_database, postgres_server
from benchmarks.result import BenchmarkResult, Cell, Metric, ResultTable, RunStart
from benchmarks.subject import Say

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
DATABASES: Final = (SQLITE, POSTGRESQL)
LISTS: Final = 20
TWO_HUBS: Final = f"two_hubs_each_{REPEATED}_times_per_s"


@dataclass(frozen=True, slots=True)
class HubBenchmark:
    """What to measure.

    Attributes:
        databases: Kinds of databases.
        incidents: How many are stored.
        measurements: How many are stored.
        requests: How often everything is asked.
        seconds: How long single events are sent in a round.
        folder: Where a SQLite file lies; the system's folder for temporary files where it is None.
    """

    databases: tuple[str, ...] = DATABASES
    incidents: int = 100_000
    measurements: int = 1_000_000
    requests: int = 60
    seconds: float = 2.0
    folder: Path | None = None


def run(benchmark: HubBenchmark, say: Say) -> BenchmarkResult:
    """Measures every kind of database that can run here; says why others cannot.

    Raises:
        BenchmarkError: None can, or a hub does not start or refuses what it should take.
    """
    start = RunStart()
    databases = [one for one in benchmark.databases if one == SQLITE or is_installed()]
    if len(databases) < len(benchmark.databases):
        say("PostgreSQL is left out: install `pgserver` and `cityeye[postgres]`")
    if not databases:
        raise BenchmarkError("no database can be measured; name another one with --database")
    metrics: list[Metric] = []
    for database in databases:
        metrics += _measure(benchmark, database, say)
    settings: dict[str, JsonValue] = {
        "databases": list[JsonValue](databases),
        "incidents": benchmark.incidents,
        "measurements": benchmark.measurements,
        "requests": benchmark.requests,
        "seconds": benchmark.seconds,
        "batch": BATCH,
        "senders": SENDERS,
    }
    tables = [_ingest_table(metrics, databases), _query_table(metrics, databases)]
    if any(one.name.startswith("interactive_ms") for one in metrics):
        tables.append(_page_table(metrics, databases))
    return start.result("hub", settings, metrics, tables)


def _measure(benchmark: HubBenchmark, database: str, say: Say) -> list[Metric]:
    with ExitStack() as stack:
        url = None
        if database == POSTGRESQL:
            url = new_database(stack.enter_context(postgres_server(durable=True)))
        hub = stack.enter_context(running_hub(url, benchmark.folder))
        ingest = ingested(
            hub,
            benchmark.incidents,
            benchmark.measurements,
            benchmark.seconds,
            lambda words: say(f"{database}: {words}"),
        )
        if url is not None:
            with running_hub(url, benchmark.folder) as other:
                ingest[TWO_HUBS] = ingested_by_two((hub, other), benchmark.seconds)
        found = [_rate(f"{name}[database={database}]", rates) for name, rates in ingest.items()]
        known = _known(hub)
        asked = _asked(hub, known, benchmark.requests)
        found += [
            _times(f"answer_ms[database={database},query={query}]", asked[query])
            for query in QUERIES
        ]
        say(f"{database}: everything has been asked")
        return found + _pages(hub, database, say)


def _pages(hub: BenchHub, database: str, say: Say) -> list[Metric]:
    program = browser_program()
    if program is None:
        say("pages of the console are left out: install Chromium and `playwright`")
        return []
    times = interactive_ms(hub, program)
    return [
        _times(f"interactive_ms[database={database},page={page}]", times[page]) for page in PAGES
    ]


def _rate(name: str, rates: Sequence[float]) -> Metric:
    return Metric(name=name, unit="events/s", better="higher", samples=tuple(rates))


def _times(name: str, times_ms: Sequence[float]) -> Metric:
    return Metric(name=name, unit="ms", better="lower", samples=tuple(times_ms))


def _known(hub: BenchHub) -> KnownIncidents:
    ids: list[str] = []
    ends: list[str] = []
    before: str | None = None
    for _ in range(LISTS):
        more = {} if before is None else {"before": before}
        page = hub.get_json("/api/incidents", limit="200", **more)
        ids += [one["incident_id"] for one in page["incidents"]]
        before = page["next_before"]
        if before is None:
            break
        ends.append(before)
    return KnownIncidents(ids, ends or [""])


def _asked(hub: BenchHub, known: KnownIncidents, requests: int) -> dict[str, list[float]]:
    """Milliseconds until each answer was there, by query; queries take turns."""
    chance = random.Random(1)  # noqa: S311 - no secret
    found: dict[str, list[float]] = {query: [] for query in QUERIES}
    for _ in range(requests):
        for query, ask in QUERIES.items():
            path = ask(chance, known)
            began_s = time.perf_counter()
            hub.get(path)
            found[query].append(1000 * (time.perf_counter() - began_s))
    return found


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _ingest_table(metrics: Sequence[Metric], databases: Sequence[str]) -> ResultTable:
    names = [one.name.partition("[")[0] for one in metrics if one.unit == "events/s"]
    values = {one.name: one.median for one in metrics}
    rows = [
        (name, *(_whole(values.get(f"{name}[database={one}]")) for one in databases))
        for name in dict.fromkeys(names)
    ]
    title = "Events per second that the hub takes, each durable when it is acknowledged"
    return ResultTable(title=title, columns=("events", *databases), rows=tuple(rows))


def _whole(value: float | None) -> Cell:
    return "" if value is None else round(value)


def _page_table(metrics: Sequence[Metric], databases: Sequence[str]) -> ResultTable:
    known = {one.name: one for one in metrics}
    columns = [f"{name} {one}" for one in databases for name in ("median", "worst")]
    rows: list[tuple[Cell, ...]] = []
    for path in PAGES:
        times = [known[f"interactive_ms[database={one},page={path}]"] for one in databases]
        cells = [round(value) for one in times for value in (one.median, max(one.samples))]
        rows.append((path, *cells))
    title = "Milliseconds from a click until a page of the console can be worked with, in Chromium"
    return ResultTable(title=title, columns=("page", *columns), rows=tuple(rows))


def _query_table(metrics: Sequence[Metric], databases: Sequence[str]) -> ResultTable:
    known = {one.name: one.samples for one in metrics}
    columns = [f"{name} {one}" for one in databases for name in ("p50", "p95")]
    rows: list[tuple[Cell, ...]] = []
    for query in QUERIES:
        times = [known[f"answer_ms[database={one},query={query}]"] for one in databases]
        cells = [round(_quantile(own, share), 1) for own in times for share in (0.5, 0.95)]
        rows.append((query, *cells))
    title = "Milliseconds until an answer is there, one request at a time"
    return ResultTable(title=title, columns=("query", *columns), rows=tuple(rows))
