"""How a command is told which repository it means, and which package in it."""

from __future__ import annotations

from typing import Annotated

import typer

from cityeye.model_place import HELP

Place = Annotated[str | None, typer.Option("--path", help=f"{HELP} The built-in ones without it.")]
Name = Annotated[str, typer.Argument(metavar="NAME[/VERSION]", help="The package.")]


def name_and_version(model: str) -> tuple[str, str | None]:
    """`NAME/VERSION` or `NAME@VERSION` in two parts; None where no version is named."""
    name, _, version = model.replace("@", "/", 1).partition("/")
    return name, version or None
