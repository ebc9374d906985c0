"""`cityeye cameras`: find and try cameras, add and remove them, import a spreadsheet; stand-ins."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cityeye.commands.discover import discover

app = typer.Typer(
    help="Find and try cameras, add and remove them, take many from a spreadsheet.",
    no_args_is_help=True,
)

ConfigFile = Annotated[
    Path, typer.Option("--config", metavar="CITY.YAML", help="The configuration file.")
]
CheckOption = Annotated[bool, typer.Option("--check", help="Only say how it would go.")]
UsernameOption = Annotated[str | None, typer.Option(help="The login.")]
PasswordFileOption = Annotated[
    Path | None, typer.Option(help="A file that holds the password in its only line.")
]
DEFAULT_CONFIG = Path("city.yaml")
FAILED = 300
ACCEPTED = 202


@app.callback()
def cameras() -> None:
    """Find and try cameras, add and remove them, take many from a spreadsheet."""


app.command("discover")(discover)


@app.command("test")
def try_camera(
    source: Annotated[str, typer.Argument(help="Address, for example rtsp://10.0.0.12/stream1.")],
    username: UsernameOption = None,
    password_file: PasswordFileOption = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="CITY.YAML", help="Keep to the networks that this file allows."),
    ] = None,
    transport: Annotated[str, typer.Option(help="tcp or udp.")] = "tcp",
    image: Annotated[
        Path | None, typer.Option(help="Write one image there, JPEG, not masked.")
    ] = None,
) -> None:
    """Open a camera for some seconds: codec, size, rate, or what is wrong and what to do."""
    import base64

    from cityeye.camera_probe import probe_camera
    from cityeye.config import load_config, tried_camera

    settings = load_config(config, os.environ).settings if config is not None else None
    given = {"source": source, "transport": transport, **_login(username, password_file)}
    report = probe_camera(tried_camera(given, settings), with_image=image is not None)
    typer.echo(f"{report.sentence}, {report.fps:g} images/s" if report.fps else report.sentence)
    if image is not None and report.jpeg:
        image.write_bytes(base64.b64decode(report.jpeg))
        typer.echo(f"image: {image}")
    if not report.good:
        raise typer.Exit(1)


@app.command("add")
def add(  # noqa: PLR0913, PLR0917 - options, which people name
    camera: Annotated[str, typer.Argument(metavar="ID", help="A new id.")],
    source: Annotated[str, typer.Argument(help="Address, for example rtsp://10.0.0.12/stream1.")],
    task: Annotated[
        list[str], typer.Option(help="A task, or TASK=MODEL, for example traffic; repeatable.")
    ],
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    inference_source: Annotated[
        str | None, typer.Option(help="A smaller stream of it that is inferred.")
    ] = None,
    username: UsernameOption = None,
    password_file: PasswordFileOption = None,
    config: ConfigFile = DEFAULT_CONFIG,
    check: CheckOption = False,
) -> None:
    """Add a camera to a city: in its file, and at once where it runs."""
    pairs = (one.partition("=") for one in task)
    tasks = {label: {"model": model or label} for label, _, model in pairs}
    section = {"id": camera, "name": name, "source": source, **_login(username, password_file)}
    if inference_source is not None:
        section["inference_source"] = inference_source
    _change(
        config, {"ask": "add_cameras", "cameras": [{**section, "tasks": tasks}], "check": check}
    )


@app.command("remove")
def remove(
    camera: Annotated[str, typer.Argument(metavar="ID", help="Its id.")],
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Remove a camera from a city: from its file, and at once where it runs."""
    _change(config, {"ask": "remove_camera", "camera": camera})


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX; the first row names the columns.")],
    config: ConfigFile = DEFAULT_CONFIG,
    check: CheckOption = False,
) -> None:
    """Add the cameras of a spreadsheet, all or none, with a word on every row that is wrong.

    Columns: id, source, tasks, and as wanted name, inference_source, username, password, lon, lat,
    division, fps, priority, transport, signals.
    """
    import base64

    from cityeye.camera_table import MOST_BYTES
    from cityeye.errors import CommandError

    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from None
    table = base64.b64encode(content).decode()
    _change(config, {"ask": "import_cameras", "table": table, "check": check})


def _login(username: str | None, password_file: Path | None) -> dict[str, str]:
    from cityeye.password_file import password_in

    login = {} if username is None else {"username": username}
    if password_file is not None:
        login["password"] = password_in(password_file)
    return login


def _change(config: Path, request: Mapping[str, Any]) -> None:
    """Makes a change in the city that runs, or in the file of one that does not; says what came."""
    from cityeye.config_request import request_change

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    who = f"{user} at a terminal"
    status, body = request_change(config, os.environ, {**request, "who": who})
    rows = body.get("rows", ())
    for row in rows:
        for problem in row["problems"]:
            typer.echo(f"row {row['row']} ({row['camera'] or 'no id'}): {problem}")
    for problem in body.get("problems", ()):
        typer.echo(f"{problem['key']}: {problem['what']}. {problem['remedy']}")
    for line in body.get("lines", ()):
        typer.echo(line)
    if request.get("check") and status < FAILED:
        count = f"{len(rows)} rows are all right; " if rows else ""
        typer.echo(f"{count}nothing was changed")
    if status >= ACCEPTED:
        raise typer.Exit(1)


@app.command("serve")
def serve(
    clips: Annotated[list[Path], typer.Argument(help="H.264 or H.265 video files.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = 0,
) -> None:
    """Serve video files over RTSP, endlessly, as a stand-in for cameras; print their addresses."""
    from simulation.rtsp_server.__main__ import main

    arguments = ["--host", host, "--port", str(port), *(str(clip) for clip in clips)]
    raise typer.Exit(main(arguments))
