"""`cityeye hub`: the embedded event hub and its console on their own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cityeye.access import (
    FOLDER,
    CityNote,
    console_link,
    fingerprint_of,
    noted,
    tokens_of,
)
from cityeye.errors import CommandError
from cityeye.hub_places import PASSWORD_VARIABLE
from cityeye.ports import HUB_PORT

if TYPE_CHECKING:
    from cityeye.config import LoneHubFile

SECRET_VARIABLE: Final = "CITYEYE_HUB_SECRET"  # noqa: S105 - the name of a variable


def hub(  # noqa: PLR0913, PLR0917 - options, which people name
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = HUB_PORT,
    database: Annotated[
        str, typer.Option(help="SQLAlchemy URL of the database, without a password.")
    ] = "sqlite:///event_hub.db",
    keyframes: Annotated[
        Path, typer.Option(help="Folder that the images lie in.", file_okay=False)
    ] = Path("keyframes"),
    state: Annotated[
        Path, typer.Option(help="Folder that the tokens are kept in.", file_okay=False)
    ] = Path("var"),
    host_names: Annotated[
        list[str] | None,
        typer.Option("--host-name", help="A name that it is called by; may be repeated."),
    ] = None,
    tls: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="CERTIFICATE KEY", help="PEM files of the certificate and its key."),
    ] = None,
    without_tls: Annotated[
        bool, typer.Option("--without-tls", help="A reverse proxy with TLS stands in front.")
    ] = False,
    silence_limit: Annotated[
        float | None,
        typer.Option(help="Seconds without a heartbeat after which a camera is not watched."),
    ] = None,
    days: Annotated[
        float | None, typer.Option(help="Days that events are kept, 3 or more; 90 without it.")
    ] = None,
    gigabytes: Annotated[
        float | None, typer.Option(help="Gigabytes of events that are kept; 10 without it.")
    ] = None,
    address: Annotated[
        str, typer.Option(help="URL at which people reach it, for links in messages.")
    ] = "",
    map_tiles: Annotated[
        str, typer.Option(help="URL of map tiles behind the plan, with {z}, {x} and {y}.")
    ] = "",
    map_attribution: Annotated[str, typer.Option(help="Whose map that is.")] = "",
    networks: Annotated[
        list[str] | None,
        typer.Option(
            "--receiver-network",
            help="A private network in which subscriptions may have receivers; may be repeated.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML file with `hub: {oidc: ..., cases: ...}` and `traces` as in city.yaml: "
            "where people log in beside the hub, time limits of cases, and where traces go.",
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Run the event hub and the operators' console alone.

    `cityeye token new NAME --scope sender` makes the token that a sender of events needs.
    Deliveries must be signed where the environment variable CITYEYE_HUB_SECRET holds a secret,
    or two with a space between them while they are being changed. The password of a database
    server is taken from CITYEYE_HUB_DATABASE_PASSWORD.
    """
    from cityeye.environment import take_secrets
    from pipelines.free_memory import share_heaps

    # Before anything is started: it would inherit the secrets.
    environment = take_secrets(config)
    share_heaps()

    from pydantic import SecretStr, ValidationError

    from event_hub import (
        SILENCE_LIMIT_S,
        HubRetention,
        HubSettings,
        MapTiles,
        PasswordInUrlError,
        SubscriptionSettings,
        with_password,
    )

    file = _configured(config, environment)
    secrets = environment.get(SECRET_VARIABLE, "").split()
    certificate, key = tls or (None, None)
    limits = {"days": days, "gigabytes": gigabytes}
    tiles = {"url": map_tiles, "attribution": map_attribution}
    try:
        settings = HubSettings(
            host=host,
            port=port,
            database=with_password(database, environment.get(PASSWORD_VARIABLE, "")),
            access=state / FOLDER,
            hosts=tuple(host_names or ()),
            certificate=certificate,
            key=key,
            without_tls=without_tls,
            webhook_secrets=tuple(map(SecretStr, secrets)),
            silence_limit_s=SILENCE_LIMIT_S if silence_limit is None else silence_limit,
            address=address,
            map_tiles=MapTiles.model_validate(tiles) if map_tiles else None,
            cases=file.hub.cases,
            oidc=file.hub.oidc,
            traces=file.traces,
            subscriptions=SubscriptionSettings.model_validate({"networks": networks or ()}),
            retention=HubRetention.model_validate(
                {k: v for k, v in limits.items() if v is not None}
            ),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = f"{first['loc'][0]}: " if first["loc"] else ""
        raise CommandError(f"{place}{first['msg'].removeprefix('Value error, ')}") from None
    except PasswordInUrlError:
        raise CommandError(
            "--database holds a password, which every user of this machine can read in the list of "
            f"processes; put it into the environment variable {PASSWORD_VARIABLE}"
        ) from None

    from event_hub import FolderKeyframes, Hub

    tokens = tokens_of(state)

    def say(url: str) -> None:
        typer.echo(f"CityEye event hub at {url}")
        if sys.stdout.isatty():
            typer.echo(f"Open the console with {url}{console_link(tokens)}")

    hub = Hub(settings, FolderKeyframes(keyframes), say)
    note = CityNote(str(tokens.folder.absolute()), fingerprint_of(certificate))
    with noted(hub.url, note, environment):
        hub.run()


def _configured(config: Path | None, environment: Mapping[str, str]) -> LoneHubFile:
    """What the file says; a mistake in it ends the program as one in a city's does."""
    from cityeye.config import ConfigurationError, LoneHubFile, lone_hub

    if config is None:
        return LoneHubFile()
    try:
        file, left, warnings = lone_hub(config, environment)
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    for warning in warnings:
        typer.echo(f"{warning} (warning)", err=True)
    if left:
        typer.echo(
            f"{config}: of `hub`, {', '.join(left)} count for `cityeye run` only; give "
            "`cityeye hub` options for them (warning)",
            err=True,
        )
    return file
