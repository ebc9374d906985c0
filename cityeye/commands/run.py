"""`cityeye run` and `demo`: watch the cameras of a configuration file, or rendered ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityeye.commands.model_import import DEFAULT_REPOSITORY
from cityeye.commands.model_option import MeasuredOption
from cityeye.errors import CommandError

if TYPE_CHECKING:
    from models import ModelPackage

MAX_DEMO_CAMERAS = 64


def run(
    config: Annotated[Path, typer.Argument(metavar="CITY.YAML", help="The configuration file.")],
    duration: Annotated[
        float | None, typer.Option(help="Seconds to run; until Ctrl-C without it.", min=1.0)
    ] = None,
    json: MeasuredOption = None,
) -> None:
    """Watch the cameras of a configuration file until stopped."""
    from rich.console import Console

    from cityeye.run import run_city

    raise typer.Exit(run_city(config, duration, json, Console()))


def demo(
    duration: Annotated[
        float | None, typer.Option(help="Seconds to run; until Ctrl-C without it.", min=1.0)
    ] = None,
    cameras: Annotated[
        int, typer.Option(help="Number of cameras.", min=1, max=MAX_DEMO_CAMERAS)
    ] = 4,
    real: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Play the recordings of a folder instead of drawn ones."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="The package that sees them; the newest fetched one if absent."),
    ] = None,
    path: Annotated[
        Path, typer.Option(help="Folder of packages in which it is.")
    ] = DEFAULT_REPOSITORY,
    json: MeasuredOption = None,
) -> None:
    """Run everything on rendered cameras: streams, detection, incidents, hub and console.

    With `--real DIR` on your own recordings, with a network that knows real streets: see
    `cityeye models fetch`.
    """
    from rich.console import Console

    from cityeye.demo import run_demo, run_real_demo

    if real is None:
        raise typer.Exit(run_demo(duration, cameras, json, Console()))
    package = _fetched(path, model)
    raise typer.Exit(run_real_demo(real, package, duration, cameras, json, Console()))


def _fetched(path: Path, wanted: str | None) -> ModelPackage:
    """The package that is wanted, or else the first one of the catalogue that was fetched."""
    from model_tools.catalogue import catalogue
    from models import ModelRepository

    repository = ModelRepository(path)
    names = [wanted] if wanted is not None else [*catalogue()]
    for name in names:
        if path.is_dir() and repository.versions(name):
            return repository.find(name)
    missing = f"{path} holds no package {wanted}" if wanted else f"{path} holds no fetched detector"
    raise CommandError(f"{missing}; bring one in: cityeye models fetch deimv2-femto")
