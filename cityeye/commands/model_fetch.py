"""`cityeye models fetch`: a detector of the catalogue becomes a package, with one command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cityeye.commands.model_import import show_imported
from cityeye.commands.transfer_bar import transfer_bar
from cityeye.errors import CommandError
from cityeye.model_place import DEFAULT_HELP, cache_folder, models_folder

if TYPE_CHECKING:
    from model_tools.catalogue import CatalogueEntry

TRAINED_ON = "COCO 2017"


def fetch(
    name: Annotated[
        str | None, typer.Argument(help="A detector of the catalogue; the list if absent.")
    ] = None,
    from_folder: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Take its file from here; needs no internet."),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option("--repository", help=f"Folder of packages, made if missing. {DEFAULT_HELP}"),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Make a new version although there is one.")
    ] = False,
) -> None:
    """Download a public detector, check that it is the right one, and import it.

    Its address is pinned, and its content is known by a digest. Without a name, the catalogue.
    """
    from model_tools.catalogue import catalogue

    if name is None:
        _list()
        return
    entry = catalogue().get(name)
    if entry is None:
        raise CommandError(f"the catalogue has no {name}; it has {', '.join(catalogue())}")
    repository = models_folder(into, os.environ)
    if not again and (version := _newest(repository, name)):
        typer.echo(f"{name}/{version} is in {repository.absolute()}; --again makes another version")
        return
    file = _brought(entry, from_folder) if from_folder is not None else _downloaded(entry)
    _import(entry, file, repository)


def _list() -> None:
    from rich.console import Console
    from rich.table import Table

    from model_tools.catalogue import catalogue

    table = Table("name", "MB", "licence", "good for", box=None)
    for entry in catalogue().values():
        size = f"{entry.size / 1e6:.1f}" if entry.size is not None else "?"
        words = entry.good_for if entry.tried else f"{entry.good_for} (not tried)"
        table.add_row(entry.name, size, entry.licence, words)
    Console().print(table)


def _newest(repository: Path, name: str) -> str | None:
    from models import ModelRepository

    if not repository.is_dir():
        return None
    return next(reversed(ModelRepository(repository).versions(name)), None)


def _brought(entry: CatalogueEntry, folder: Path) -> Path:
    file = folder / entry.file
    if not file.is_file():
        raise CommandError(f"there is no {entry.file} in {folder}; it comes from {entry.address}")
    entry.check(file)
    return file


def _downloaded(entry: CatalogueEntry) -> Path:
    from model_tools.catalogue import Download

    folder = cache_folder("weights", os.environ)
    with transfer_bar(entry.file, entry.size) as bar:
        return Download(entry, folder, lambda passed: bar(passed, entry.size)).file()


def _import(entry: CatalogueEntry, file: Path, repository: Path) -> None:
    from cityeye.model_import import COCO, ImportSource, import_from, labels_from
    from model_tools.importing import ImportRequest

    measured: dict[str, Any] = {}
    if entry.thresholds is not None:
        measured = {
            "threshold": entry.thresholds.default,
            "class_thresholds": entry.thresholds.classes,
            "source_of_thresholds": entry.thresholds_from,
        }
    request = ImportRequest(
        name=entry.name,
        file=entry.file,
        labels=labels_from(COCO),
        head=entry.head,
        licence=entry.licence,
        training_data=TRAINED_ON,
        **measured,
    )
    imported = import_from(
        ImportSource(file), request, repository, lambda step: typer.echo(f"  {step} …")
    )
    show_imported(imported, repository)
