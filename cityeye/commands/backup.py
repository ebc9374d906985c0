"""`cityeye backup` and `cityeye restore`: a hub in one file, and from one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityeye.errors import CommandError

if TYPE_CHECKING:
    from event_hub import BackupReport, HubParts

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.", dir_okay=False)]
CityArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[CITY.YAML]", help="The city's file; for a hub alone, its options."),
]
DatabaseOption = Annotated[
    str | None, typer.Option(help="URL of the database of a hub alone, without a password.")
]
HubStateOption = Annotated[Path | None, typer.Option(help="Folder `--state` of a hub alone.")]
KeyframesOption = Annotated[Path | None, typer.Option(help="Folder of its images.")]
WithoutOption = Annotated[
    bool, typer.Option("--without-keyframes", help="Leave out keyframes and clips.")
]


def backup(
    file: FileArgument,
    config: CityArgument = None,
    database: DatabaseOption = None,
    state: HubStateOption = None,
    keyframes: KeyframesOption = None,
    without_keyframes: WithoutOption = False,
) -> None:
    """Write all that a hub keeps into one file; it may run meanwhile.

    The database as it is at one moment, tokens, users, the audit trail, and every keyframe and clip
    that its events name. The file shows persons and opens the hub: it is its owner's alone. What
    workers have not delivered yet is in their outboxes, and not in the file.
    """
    from event_hub import back_up

    parts = _parts(config, database, state, keyframes, without_keyframes)
    report = back_up(parts, file, typer.echo)
    size = file.stat().st_size / 1e6
    typer.echo(f"{file}: {size:.1f} MB, {_contents(report)}")
    if report.missing:
        typer.echo(
            f"{len(report.missing)} keyframes or clips that events name are not in the store: "
            "retention or a request has deleted them, or they have not arrived yet"
        )


def restore(
    file: FileArgument,
    config: CityArgument = None,
    database: DatabaseOption = None,
    state: HubStateOption = None,
    keyframes: KeyframesOption = None,
    without_keyframes: WithoutOption = False,
) -> None:
    """Make a hub of what `backup` wrote, where there is none.

    The file is read as a whole first. The database must be empty; files of the state folder that
    are there must be those of the backup. Nothing is deleted. Images that were deleted on request
    after the backup was made come back with it: their deletion has to be asked for again.
    """
    from event_hub import restore as restore_hub

    parts = _parts(config, database, state, keyframes, without_keyframes)
    report = restore_hub(file, parts, typer.echo)
    typer.echo(f"restored: {_contents(report)}")


def _parts(
    config: Path | None,
    database: str | None,
    state: Path | None,
    keyframes: Path | None,
    without_keyframes: bool,
) -> HubParts:
    from cityeye.hub_places import configured_parts, named_parts

    if config is not None:
        if database or state or keyframes:
            raise CommandError("give either the city's file, or the options of a hub alone")
        return configured_parts(config, os.environ, not without_keyframes)
    if database is None or state is None:
        raise CommandError("give the city's file, or --database and --state of a hub alone")
    if (keyframes is None) != without_keyframes:
        raise CommandError("give --keyframes, the folder of its images, or --without-keyframes")
    return named_parts(database, state, keyframes, os.environ)


def _contents(report: BackupReport) -> str:
    return (
        f"{report.rows} rows of the database, {report.evidence} keyframes and clips, "
        f"{report.files} other files"
    )
