"""Where a result goes: tables at the terminal, a JSON file, a plot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.errors import BenchmarkError
from benchmarks.plot import draw
from benchmarks.result import BenchmarkResult, ResultTable, cell_text

WIDTH = 160


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where a result goes beside the terminal.

    Attributes:
        json: File for the result, or None.
        plot: File for the plot, PNG or SVG by its name, or None.
    """

    json: Path | None = None
    plot: Path | None = None

    def check(self) -> None:
        """Call before a long run.

        Raises:
            BenchmarkError: A file could not be written there.
        """
        for path in filter(None, (self.json, self.plot)):
            if not path.absolute().parent.is_dir():
                raise BenchmarkError(f"there is no folder {path.parent} for {path.name}; create it")
        if self.plot is not None and self.plot.suffix.lower() not in {".png", ".svg"}:
            raise BenchmarkError(f"a plot is a .png or an .svg file, not {self.plot.name}")


def publish(result: BenchmarkResult, outputs: Outputs, console: Console | None = None) -> None:
    """Writes the files and prints the tables to stdout, what else there is to say to stderr."""
    notes = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    show(result, console or terminal())
    if outputs.json is not None:
        result.write(outputs.json)
    if outputs.plot is not None:
        problem = draw(result, outputs.plot)
        if problem:
            notes.print(problem)


def terminal() -> Console:
    """Standard output; wide enough for a table where it is no terminal."""
    console = Console(highlight=False, markup=False)
    if console.is_terminal:
        return console
    return Console(highlight=False, markup=False, width=WIDTH)


def show(result: BenchmarkResult, console: Console) -> None:
    """Prints the machine and the tables."""
    machine, load = result.machine, result.load_before
    console.print(f"{machine.cpu}, {machine.cores:g} cores, {machine.memory_mb} MB", soft_wrap=True)
    for gpu in machine.gpus:
        console.print(f"{gpu.name}, {gpu.memory_mb} MB, driver {gpu.driver}", soft_wrap=True)
    if not load.quiet:
        console.print(
            f"The machine was busy before the run: {load.busy:.0%} of its cores. "
            "Measure again when it is quiet.",
            soft_wrap=True,
        )
    for table in result.tables:
        show_table(table, console)


def show_table(table: ResultTable, console: Console) -> None:
    """Prints one table."""
    shown = Table(title=table.title, title_justify="left")
    for index, column in enumerate(table.columns):
        numeric = all(isinstance(row[index], int | float) for row in table.rows)
        shown.add_column(column, justify="right" if numeric else "left")
    for row in table.rows:
        shown.add_row(*map(cell_text, row))
    console.print(shown)
