"""The stored results as Markdown, for the page that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.result import BenchmarkResult, Cell, ResultTable, cell_text, read_result

RESULTS: Final = Path(__file__).parent / "results"
"""Results that are kept with the program, one JSON file each."""


def results_page(files: Sequence[Path] | None = None) -> str:
    """A section per result, in the order of the file names.

    Args:
        files: Result files; those that are kept with the program if None.

    Raises:
        BenchmarkError: A file cannot be read.
    """
    chosen = sorted(RESULTS.glob("*.json")) if files is None else files
    return "\n".join(_section(path.stem, read_result(path)) for path in chosen)


def _section(name: str, result: BenchmarkResult) -> str:
    machine, load = result.machine, result.load_before
    gpus = "".join(f", {one.name} with driver {one.driver}" for one in machine.gpus)
    versions = ", ".join(f"{one} {number}" for one, number in sorted(machine.versions.items()))
    settings = ", ".join(f"{one} {value}" for one, value in sorted(result.settings.items()))
    facts = (
        f"- `cityeye bench {result.benchmark}`, {result.started_at:%Y-%m-%d %H:%M} UTC, "
        f"{result.took_s:.0f} s, file `benchmarks/results/{name}.json`",
        f"- {machine.cpu}, {machine.cores:g} cores, {round(machine.memory_mb / 1024)} GB{gpus}; "
        f"{machine.system}",
        f"- before the run {load.busy:.0%} of the cores were busy, load average "
        f"{load.load_average:g}",
        f"- {versions}; commit {machine.commit or 'unknown'}",
        f"- settings: {settings}",
    )
    tables = "\n".join(map(_table, result.tables))
    return f"### {name}\n\n" + "\n".join(facts) + f"\n\n{tables}"


def _table(table: ResultTable) -> str:
    rules = ("---",) * len(table.columns)
    rows = (table.columns, rules, *table.rows)
    return f"{table.title}:\n\n" + "".join(f"| {_cells(row)} |\n" for row in rows)


def _cells(row: Sequence[Cell]) -> str:
    return " | ".join(cell_text(cell).replace("|", "\\|") for cell in row)
