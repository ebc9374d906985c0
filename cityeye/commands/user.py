"""`cityeye user`: who logs in at the hub with a name and a password."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cityeye.city_client import DEFAULT_HUB
from cityeye.commands.hub_option import HubOption, HubTokenOption, hub_client
from cityeye.errors import CommandError

MAX_PASSWORD_CHARS = 1024

app = typer.Typer(help="Users of the event hub.", no_args_is_help=True)

UserNameArgument = Annotated[str, typer.Argument(help="The name to log in with.")]
RoleOption = Annotated[str, typer.Option(help="viewer, operator, engineer or admin.")]
UserGroupOption = Annotated[
    list[str] | None,
    typer.Option(help="A camera group that the user is limited to; may be repeated."),
]
PasswordOption = Annotated[
    Path | None,
    typer.Option(help="File with the password; asked for or read from standard input without it."),
]


@app.callback()
def user() -> None:
    """Users of the event hub."""


@app.command("add")
def add(
    name: UserNameArgument,
    role: RoleOption,
    group: UserGroupOption = None,
    password_file: PasswordOption = None,
    hub: HubOption = DEFAULT_HUB,
    token_file: HubTokenOption = None,
) -> None:
    """Add a user, who then logs in on the hub's page."""
    client = hub_client(hub, token_file)
    body = {"name": name, "role": role, "groups": group or []}
    made = client.post("/api/users", body | {"password": _password(password_file)})
    typer.echo(f"added: {_line(made)}")


@app.command("list")
def list_users(hub: HubOption = DEFAULT_HUB, token_file: HubTokenOption = None) -> None:
    """List the users with their roles and camera groups."""
    for one in hub_client(hub, token_file).get("/api/users")["users"]:
        typer.echo(_line(one))


@app.command("passwd")
def passwd(
    name: UserNameArgument,
    password_file: PasswordOption = None,
    hub: HubOption = DEFAULT_HUB,
    token_file: HubTokenOption = None,
) -> None:
    """Give a user another password; every session of the user ends."""
    client = hub_client(hub, token_file)
    client.change("PATCH", _path(name), {"password": _password(password_file)})
    typer.echo(f"changed: {name} logs in with the new password from now on")


@app.command("change")
def change(
    name: UserNameArgument,
    role: Annotated[str | None, typer.Option(help="viewer, operator, engineer or admin.")] = None,
    group: UserGroupOption = None,
    all_cameras: Annotated[
        bool, typer.Option("--all-cameras", help="Limit the user to no camera group.")
    ] = False,
    hub: HubOption = DEFAULT_HUB,
    token_file: HubTokenOption = None,
) -> None:
    """Give a user another role or other camera groups; it counts at once."""
    if (group is not None and all_cameras) or not (role or group or all_cameras):
        raise CommandError("give --role, and either --group or --all-cameras, or one of them")
    wanted: dict[str, Any] = {"role": role} if role else {}
    if group or all_cameras:
        wanted["groups"] = group or []
    typer.echo(
        f"changed: {_line(hub_client(hub, token_file).change('PATCH', _path(name), wanted))}"
    )


@app.command("disable")
def disable(
    name: UserNameArgument, hub: HubOption = DEFAULT_HUB, token_file: HubTokenOption = None
) -> None:
    """Let a user in no more, and end every session; `enable` takes it back."""
    hub_client(hub, token_file).change("PATCH", _path(name), {"disabled": True})
    typer.echo(f"disabled: {name}")


@app.command("enable")
def enable(
    name: UserNameArgument, hub: HubOption = DEFAULT_HUB, token_file: HubTokenOption = None
) -> None:
    """Let a user in again who was disabled."""
    hub_client(hub, token_file).change("PATCH", _path(name), {"disabled": False})
    typer.echo(f"enabled: {name}")


@app.command("rm")
def remove(
    name: UserNameArgument, hub: HubOption = DEFAULT_HUB, token_file: HubTokenOption = None
) -> None:
    """Remove a user; what the user did stays in the audit trail."""
    hub_client(hub, token_file).change("DELETE", _path(name))
    typer.echo(f"removed: {name}")


def _path(name: str) -> str:
    return f"/api/users/{quote(name.casefold(), safe='')}"


def _line(one: dict[str, Any]) -> str:
    limits = ", ".join(one["groups"]) or "all cameras"
    state = f"  disabled since {one['disabled_at'][:16]} UTC" if one["disabled_at"] else ""
    return f"{one['name']}  {one['role']:8}  {limits}{state}"


def _password(file: Path | None) -> str:
    """The password: from a file, from a terminal where nobody sees it, or from standard input."""
    if file is not None:
        try:
            with file.open(encoding="utf-8") as stream:
                return stream.readline(MAX_PASSWORD_CHARS).rstrip("\r\n")
        except (OSError, ValueError):
            raise CommandError(
                f"--password-file {file} cannot be read; write the password there"
            ) from None
    if sys.stdin.isatty():
        prompted: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return prompted
    return sys.stdin.readline(MAX_PASSWORD_CHARS).rstrip("\r\n")
