"""`cityeye models`: what model packages there are, and what each one is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityeye.commands.model_import import import_file
from cityeye.errors import CommandError

if TYPE_CHECKING:
    from models.repository import ModelRepository

app = typer.Typer(help="List and inspect model packages.", no_args_is_help=True)
app.command("import")(import_file)

Folder = Annotated[
    Path | None, typer.Option("--path", help="Folder of packages; the built-in ones without it.")
]


@app.command("list")
def list_models(path: Folder = None) -> None:
    """List every model package with its input, labels and state."""
    from rich.console import Console
    from rich.table import Table

    from models.errors import ModelError

    repository = _repository(path)
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
        raise CommandError(f"{repository.root} holds no model package")
    Console().print(table)


@app.command("show")
def show_model(
    model: Annotated[str, typer.Argument(metavar="NAME[/VERSION]", help="The package.")],
    path: Folder = None,
) -> None:
    """Show one model package: its manifest and its card."""
    from models.package import CARD_FILE, MANIFEST_FILE

    name, _, version = model.partition("/")
    package = _repository(path).find(name, version or None)
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
    path: Folder = None,
) -> None:
    """Run a model over a recording and draw what it finds into pictures."""
    from cityeye.model_trial import try_model

    name, _, version = model.partition("/")
    package = _repository(path).find(name, version or None)
    count = try_model(package, recording, fps, out)
    typer.echo(f"{count} annotated pictures in {out}")


def _repository(path: Path | None) -> ModelRepository:
    from models.repository import BUILTIN_ROOT, ModelRepository

    if path is not None and not path.is_dir():
        raise CommandError(f"there is no folder {path}; give --path a folder of model packages")
    return ModelRepository(path or BUILTIN_ROOT)
