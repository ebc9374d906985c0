"""`cityeye models`: what model packages there are, and what each one is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cityeye.commands import model_store
from cityeye.errors import CommandError
from cityeye.model_place import HELP, repository_at

app = typer.Typer(help="List and inspect model packages.", no_args_is_help=True)

Place = Annotated[str | None, typer.Option("--path", help=f"{HELP} The built-in ones without it.")]


@app.command("list")
def list_models(path: Place = None) -> None:
    """List every model package with its input, labels and state."""
    from rich.console import Console
    from rich.table import Table

    from models.errors import ModelError

    repository = repository_at(path, os.environ)
    table = Table("model", "tasks", "input", "threshold", "labels", "state", box=None)
    for name in repository.names():
        for version in repository.versions(name):
            try:
                package = repository.find(name, version)
            except ModelError as error:
                table.add_row(f"{name}/{version}", "", "", "", "", str(error))
                continue
            manifest = package.manifest
            table.add_row(
                str(package),
                ", ".join(manifest.tasks),
                f"{manifest.input.width}x{manifest.input.height}",
                f"{manifest.thresholds.default:g}",
                ", ".join(package.labels),
                "good",
            )
    if not table.row_count:
        raise CommandError(f"{repository} holds no model package")
    Console().print(table)


@app.command("show")
def show_model(
    model: Annotated[str, typer.Argument(metavar="NAME[/VERSION]", help="The package.")],
    path: Place = None,
) -> None:
    """Show one model package: its manifest and its card."""
    from models.package import CARD_FILE, MANIFEST_FILE

    name, _, version = model.partition("/")
    package = repository_at(path, os.environ).find(name, version or None)
    typer.echo((package.directory / MANIFEST_FILE).read_text(encoding="utf-8").rstrip())
    typer.echo()
    typer.echo((package.directory / CARD_FILE).read_text(encoding="utf-8").rstrip())


@app.command("try")
def try_out(
    model: Annotated[str, typer.Argument(metavar="NAME[/VERSION]", help="The package.")],
    recording: Annotated[Path, typer.Argument(help="A video file.")],
    out: Annotated[Path, typer.Option(help="Folder for the annotated pictures.")] = Path("trial"),
    fps: Annotated[
        float, typer.Option(help="Pictures to judge per second of the recording.", min=0.05, max=30)
    ] = 1.0,
    path: Place = None,
) -> None:
    """Run a model over a recording and draw what it finds into pictures."""
    from cityeye.model_trial import try_model

    name, _, version = model.partition("/")
    package = repository_at(path, os.environ).find(name, version or None)
    count = try_model(package, recording, fps, out)
    typer.echo(f"{count} annotated pictures in {out}")


app.command("push")(model_store.push)
app.command("pull")(model_store.pull)
