"""Which folder of packages a command means, and which package in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityeye.errors import CommandError

if TYPE_CHECKING:
    from models.repository import ModelRepository

Folder = Annotated[
    Path | None, typer.Option("--path", help="Folder of packages; the built-in ones without it.")
]
Name = Annotated[str, typer.Argument(metavar="NAME[/VERSION]", help="The package.")]


def repository_at(path: Path | None) -> ModelRepository:
    """The repository in a folder, or the built-in one.

    Raises:
        CommandError: There is no such folder.
    """
    from models.repository import BUILTIN_ROOT, ModelRepository

    if path is not None and not path.is_dir():
        raise CommandError(f"there is no folder {path}; give --path a folder of model packages")
    return ModelRepository(path or BUILTIN_ROOT)


def name_and_version(model: str) -> tuple[str, str | None]:
    """`NAME/VERSION` in two parts; None where no version is named."""
    name, _, version = model.partition("/")
    return name, version or None
