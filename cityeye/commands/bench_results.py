"""`cityeye bench compare` and `results`: what was measured before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

if TYPE_CHECKING:
    from benchmarks.compare import MetricChange

STYLES = {"better": "green", "worse": "red"}


def compare_results(
    first: Annotated[Path, typer.Argument(metavar="A.json", help="The result to compare with.")],
    second: Annotated[Path, typer.Argument(metavar="B.json", help="The newer result.")],
    fail_on_worse: Annotated[
        bool,
        typer.Option(
            "--fail-on-worse", help="Exit with 1 where a metric is worse by more than its spread."
        ),
    ] = False,
) -> None:
    """Compare two results: medians, difference, and whether it exceeds the spread."""
    from benchmarks.compare import compare
    from benchmarks.output import terminal
    from benchmarks.result import read_result

    comparison = compare(read_result(first), read_result(second))
    console = terminal()
    for warning in comparison.warnings:
        console.print(f"warning: {warning}", style="yellow", soft_wrap=True)
    table = Table()
    for column in ("metric", "unit", first.stem, second.stem, "change", "99 % interval", ""):
        table.add_column(column, justify="left" if column in {"metric", "unit", ""} else "right")
    for change in comparison.changes:
        table.add_row(*_cells(change), style=STYLES.get(change.change.value))
    console.print(table)
    for path, names in ((first, comparison.only_before), (second, comparison.only_after)):
        if names:
            console.print(f"only in {path}: {', '.join(names)}", soft_wrap=True)
    raise typer.Exit(int(fail_on_worse and comparison.worse))


def show_results(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Result files; the stored ones if absent.")
    ] = None,
) -> None:
    """Print results as Markdown."""
    from benchmarks.results_page import results_page

    typer.echo(results_page(files or None), nl=False)


def _cells(one: MetricChange) -> tuple[str, ...]:
    return (
        one.before.name,
        one.before.unit,
        f"{one.before.median:.4g}",
        f"{one.after.median:.4g}",
        f"{one.percent:+.1f} %",
        f"{one.low:+.1f} to {one.high:+.1f}",
        one.change.value,
    )
