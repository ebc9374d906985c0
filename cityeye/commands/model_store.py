"""`cityeye models push` and `pull`: packages between this machine and a store for a cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityeye.commands.model_option import PathOption, name_and_version
from cityeye.model_place import HELP, models_repository, repository_at

if TYPE_CHECKING:
    from models import Repository

PackageToCopy = Annotated[
    str, typer.Argument(metavar="NAME[/VERSION]", help="The package; its newest version if none.")
]


def push(
    model: PackageToCopy,
    to: Annotated[str, typer.Option("--to", metavar="PLACE", help=HELP)],
    path: PathOption = None,
) -> None:
    """Publish a model package where every node finds it; what is published never changes."""
    _publish(model, models_repository(path, os.environ), _target(to))


def pull(
    model: PackageToCopy,
    source: Annotated[str, typer.Option("--from", metavar="PLACE", help=HELP)],
    to: Annotated[str, typer.Option("--to", help="Folder of packages; made if missing.")],
) -> None:
    """Bring a published model package into a folder, verified."""
    _publish(model, repository_at(source, os.environ), _target(to))


def _publish(model: str, source: Repository, target: Repository) -> None:
    package = source.find(*name_and_version(model))
    written = target.publish(package)
    said = f"is in {target}" if written else f"was in {target} already, byte by byte"
    typer.echo(f"{package} {said}")


def _target(place: str) -> Repository:
    """Where a package is to go: a folder need not be there yet."""
    from models import ModelRepository

    return repository_at(place, os.environ) if "://" in place else ModelRepository(Path(place))
