"""`cityeye cameras discover`: find ONVIF cameras and print configuration lines for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from camera_adapters import CameraNetwork, Credentials
    from camera_adapters.onvif import FoundDevice

VARIABLE = "CAMERA_PASSWORD"
NOBODY = (
    "no camera was found. Probes do not pass routers: ask from the cameras' own network, or name "
    "devices, as in `cityeye cameras discover 10.0.0.12`. A firewall has to let UDP port 3702 out "
    "and answers to it in; many cameras have ONVIF switched off until somebody switches it on"
)


def discover(
    devices: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[HOST[:PORT]]...", help="Devices to ask beside those that answer the probe."
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0, max=60, help="Seconds in which devices may answer; 0: no probe.")
    ] = 3.0,
    interface: Annotated[
        str | None, typer.Option(metavar="IP", help="Our address in the only network to ask.")
    ] = None,
    username: Annotated[
        str | None, typer.Option("--username", "--user", help="The login of the devices.")
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(help=f"Holds the password in its only line; without it {VARIABLE} does."),
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="TASK, or TASK=MODEL, for each camera; repeatable.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="CITY.YAML", help="Keep to the networks that this file allows."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find ONVIF cameras on the local network and print configuration lines for them.

    For each camera the smallest stream is proposed that is large enough for inference, and the
    largest one of the same view for evidence. Devices get a digest of the password, never the
    password, and it is not printed.
    """
    import json

    from camera_adapters.onvif import StreamNeeds
    from cityeye.camera_discovery import (
        Search,
        as_document,
        configuration_lines,
        discover_cameras,
    )

    password = ("password", f"${{{VARIABLE}}}")
    if password_file is not None:
        password = ("password_file", str(password_file.absolute()))
    pairs = (one.partition("=") for one in task or ("traffic",))
    search = Search(
        wait_s=timeout,
        interface=interface,
        named=tuple(map(_named, devices or ())),
        credentials=_credentials(username, password_file),
        password=password,
        tasks={label: model or label for label, _, model in pairs},
        needs=StreamNeeds(),
        network=_network(config),
    )
    _check_interface(interface)
    found = discover_cameras(search)
    if as_json:
        typer.echo(json.dumps(as_document(found, search), indent=2, ensure_ascii=False))
    else:
        for line in configuration_lines(found, search):
            typer.echo(line)
        for sentence in (*found.notices, *found.problems):
            typer.echo(sentence, err=True)
        if not found.cameras and not found.problems:
            typer.echo(NOBODY, err=True)
    if not found.cameras:
        raise typer.Exit(1)


def _named(place: str) -> FoundDevice:
    from camera_adapters.onvif import device_at
    from cityeye.errors import CommandError

    try:
        return device_at(place)
    except ValueError:
        raise CommandError(f"{place} is neither HOST nor HOST:PORT") from None
    except OSError as error:
        raise CommandError(f"{place} cannot be resolved: {error.strerror}") from None


def _check_interface(interface: str | None) -> None:
    import ipaddress

    from cityeye.errors import CommandError

    try:
        ipaddress.IPv4Address(interface or "127.0.0.1")
    except ValueError:
        raise CommandError(
            f"--interface {interface} is no IPv4 address; `ip -4 addr` lists those of this machine"
        ) from None


def _credentials(username: str | None, password_file: Path | None) -> Credentials | None:
    from camera_adapters import Credentials
    from cityeye.errors import CommandError
    from cityeye.password_file import password_in

    if username is None:
        return None
    if password_file is not None:
        return Credentials(username, password_in(password_file))
    if VARIABLE not in os.environ:
        raise CommandError(
            f"--username needs a password: set {VARIABLE} in the environment, or give "
            "--password-file"
        )
    return Credentials(username, os.environ[VARIABLE])


def _network(config: Path | None) -> CameraNetwork:
    """Where cameras may be; ports of a configuration are those of video."""
    from camera_adapters import CameraNetwork
    from cityeye.config import load_config

    if config is None:
        return CameraNetwork()
    return CameraNetwork(load_config(config, os.environ).settings.camera_network.allow)
