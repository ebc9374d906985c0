"""`cityeye bench report`: one page for whoever signs the order."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cityeye.errors import CommandError


def report(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RESULT.json]...",
            help="Results of `bench streams` and `bench gpu`; the stored ones if absent.",
        ),
    ] = None,
    price: Annotated[
        float | None, typer.Option(help="Price of one machine, in any currency.", min=0)
    ] = None,
    watts: Annotated[
        float | None,
        typer.Option(help="Power of the machine under load, measured at its socket.", min=0.1),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page that prints on A4.")
    ] = None,
) -> None:
    """Print one page: machine, streams, latency, bottleneck, watts and cost per camera."""
    from benchmarks.report import OrderTerms, report_markdown, report_page, reported
    from benchmarks.report import stored_reportable as stored
    from benchmarks.result import read_result

    chosen = files or stored()
    terms, at = OrderTerms(price, watts), datetime.now(UTC)
    if len(chosen) > 1 and (price is not None or watts is not None):
        raise CommandError("--price and --watts are about one machine: give one result")
    machines = [reported(read_result(path), path.name, terms) for path in chosen]
    if html is not None:
        try:
            html.write_text(report_page(machines, terms, at), encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{html} cannot be written: {error.strerror}") from None
    typer.echo(report_markdown(machines, terms, at), nl=False)
