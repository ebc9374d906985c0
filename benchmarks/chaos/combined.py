"""Several runs as one: the parts of a schedule, or schedules of several seeds, added up."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from benchmarks.chaos.report import BROKEN, FAULT_COLUMNS, FAULTS, RECOVERY, SINKS
from benchmarks.result import BenchmarkResult, Cell, ResultTable


def combined(results: Sequence[BenchmarkResult]) -> list[ResultTable]:
    """Faults by kind and deliveries by sink over all runs, and every promise that was broken."""
    tables = [_kinds(results), _sinks(results)]
    broken = [row for result in results for row in rows_of(result, BROKEN)]
    if broken:
        tables.append(ResultTable(title=BROKEN, columns=("what",), rows=tuple(broken)))
    return tables


def keeps_all(tables: Sequence[ResultTable]) -> bool:
    """Whether no promise was broken."""
    return all(table.title != BROKEN for table in tables)


def rows_of(result: BenchmarkResult, title: str) -> Sequence[tuple[Cell, ...]]:
    """The rows of a table by its title; none where the run has no such table."""
    return next((table.rows for table in result.tables if table.title == title), ())


def _kinds(results: Sequence[BenchmarkResult]) -> ResultTable:
    times: dict[str, int] = defaultdict(int)
    not_well: dict[str, int] = defaultdict(int)
    lies: dict[str, float] = defaultdict(float)
    back: dict[str, list[float]] = defaultdict(list)
    for result in results:
        for kind, count, _, _, failed, lie_s in rows_of(result, FAULTS):
            times[str(kind)] += int(count)
            not_well[str(kind)] += int(failed)
            lies[str(kind)] = max(lies[str(kind)], float(lie_s))
        for metric in result.metrics:
            if not metric.name.startswith(RECOVERY):
                continue
            back[metric.name.removeprefix(RECOVERY).strip("[]")] += metric.samples
    rows = tuple(
        (
            kind,
            count,
            round(statistics.median(back[kind]), 1) if back[kind] else "-",
            round(max(back[kind]), 1) if back[kind] else "-",
            not_well[kind],
            lies[kind],
        )
        for kind, count in times.items()
    )
    title = f"{FAULTS}: {sum(times.values())} in {len(results)} runs"
    return ResultTable(title=title, columns=FAULT_COLUMNS, rows=rows)


def _sinks(results: Sequence[BenchmarkResult]) -> ResultTable:
    counts: dict[str, list[int]] = {}
    for result in results:
        for sink, *found, _ in rows_of(result, SINKS):
            known = counts.setdefault(str(sink), [0] * len(found))
            counts[str(sink)] = [one + int(more) for one, more in zip(known, found, strict=True)]
    columns = ("sink", "committed", "arrived", "lost", "phantoms", "out of order", "unended")
    rows = tuple((sink, *found) for sink, found in counts.items())
    return ResultTable(title=SINKS, columns=columns, rows=rows)
