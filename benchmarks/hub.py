"""How fast a hub takes events, and answers with very many of them stored, on each kind of database.

The hub is a process of its own, asked over HTTP. It is filled in batches, each on the disk when its
answer comes: that is the measurement of batches. Then everything that people ask is asked, one
request after the other.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from benchmarks.errors import BenchmarkError
from benchmarks.hub_events import incidents, measurements
from benchmarks.hub_process import BenchHub, running_hub
from benchmarks.hub_queries import QUERIES, KnownIncidents
from benchmarks.postgres_server import is_installed, new_database, postgres_server
from benchmarks.result import BenchmarkResult, Cell, Metric, ResultTable, RunStart
from benchmarks.subject import Say

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
DATABASES: Final = (SQLITE, POSTGRESQL)
BATCH: Final = 250
SENDERS: Final = 8
REPEATED: Final = 10
"""How often a batch is sent again, to count what is left of it."""
PAGES: Final = 20
MANY: Final = 1_000_000
"""More than are sent one by one."""
SAY_EVERY: Final = 50_000


@dataclass(frozen=True, slots=True)
class HubBenchmark:
    """What to measure.

    Attributes:
        databases: Kinds of databases.
        incidents: How many are stored.
        measurements: How many are stored.
        requests: How often everything is asked.
        seconds: How long single events are sent.
        folder: Where a SQLite file lies; the system's folder for temporary files where it is None.
    """

    databases: tuple[str, ...] = DATABASES
    incidents: int = 100_000
    measurements: int = 1_000_000
    requests: int = 60
    seconds: float = 5.0
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
    return start.result("hub", settings, metrics, tables)


def _measure(benchmark: HubBenchmark, database: str, say: Say) -> list[Metric]:
    with ExitStack() as stack:
        url = None
        if database == POSTGRESQL:
            url = new_database(stack.enter_context(postgres_server(durable=True)))
        hub = stack.enter_context(running_hub(url, benchmark.folder))
        ingest = _ingest(hub, benchmark, lambda words: say(f"{database}: {words}"))
        found = [_rate(f"{name}[database={database}]", value) for name, value in ingest.items()]
        known = _known(hub)
        asked = _asked(hub, known, benchmark.requests)
        for query in QUERIES:
            for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95)):
                label = f"{name}[database={database},query={query}]"
                value = _quantile(asked[query], share)
                found.append(Metric(name=label, unit="ms", better="lower", samples=(value,)))
        say(f"{database}: everything has been asked")
        return found


def _rate(name: str, value: float) -> Metric:
    return Metric(name=name, unit="events/s", better="higher", samples=(value,))


def _ingest(hub: BenchHub, benchmark: HubBenchmark, say: Say) -> dict[str, float]:
    """Fills the hub; events per second by how they came."""
    found = {
        "batch_incidents_per_s": _fill(hub, incidents(benchmark.incidents), say),
        "batch_measurements_per_s": _fill(hub, measurements(benchmark.measurements), say),
    }
    events = hub.events()
    expected = benchmark.incidents + benchmark.measurements
    if events != expected:
        raise BenchmarkError(f"the hub has {events} events of {expected} that it acknowledged")
    again = list(itertools.islice(measurements(benchmark.measurements), BATCH))
    began_s = time.monotonic()
    for _ in range(REPEATED):
        hub.send_batch(again)
    found["batch_duplicates_per_s"] = REPEATED * len(again) / (time.monotonic() - began_s)
    if hub.events() != expected:
        raise BenchmarkError("events that were sent again are stored again")
    fresh = incidents(MANY, first=benchmark.incidents)
    found["single_per_s"] = _singles(hub, fresh, 1, benchmark.seconds)
    found[f"single_{SENDERS}_senders_per_s"] = _singles(hub, fresh, SENDERS, benchmark.seconds)
    return found


def _fill(hub: BenchHub, events: Iterator[bytes], say: Say) -> float:
    sent, sending_s = 0, 0.0
    while batch := list(itertools.islice(events, BATCH)):
        began_s = time.monotonic()
        hub.send_batch(batch)
        sending_s += time.monotonic() - began_s
        sent += len(batch)
        if sent % SAY_EVERY < BATCH:
            say(f"{sent} events, {sent / sending_s:.0f} per second")
    return sent / sending_s if sending_s else 0.0


def _singles(hub: BenchHub, events: Iterator[bytes], senders: int, seconds: float) -> float:
    """Events per second that are sent one by one, each by a sender that waits for its answer."""
    stock = [list(itertools.islice(events, int(seconds * 500))) for _ in range(senders)]
    end_s = time.monotonic() + seconds

    def send(own: Sequence[bytes]) -> int:
        sent = 0
        for event in own:
            if time.monotonic() > end_s:
                break
            hub.send(event)
            sent += 1
        return sent

    began_s = time.monotonic()
    with ThreadPoolExecutor(senders) as pool:
        sent = sum(pool.map(send, stock))
    return sent / (time.monotonic() - began_s)


def _known(hub: BenchHub) -> KnownIncidents:
    ids: list[str] = []
    ends: list[str] = []
    before: str | None = None
    for _ in range(PAGES):
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
        (name, *(round(values[f"{name}[database={one}]"]) for one in databases))
        for name in dict.fromkeys(names)
    ]
    title = "Events per second that the hub takes, each durable when it is acknowledged"
    return ResultTable(title=title, columns=("events", *databases), rows=tuple(rows))


def _query_table(metrics: Sequence[Metric], databases: Sequence[str]) -> ResultTable:
    values = {one.name: one.median for one in metrics}
    columns = [f"{name} {one}" for one in databases for name in ("p50", "p95")]
    rows: list[tuple[Cell, ...]] = []
    for query in QUERIES:
        cells = [
            round(values[f"{name}_ms[database={one},query={query}]"], 1)
            for one in databases
            for name in ("p50", "p95")
        ]
        rows.append((query, *cells))
    title = "Milliseconds until an answer is there, one request at a time"
    return ResultTable(title=title, columns=("query", *columns), rows=tuple(rows))
