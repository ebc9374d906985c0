"""The command line of `cityeye`: one sub-command per task of its users.

Only what a command needs is imported, when it runs: help appears at once. Whatever goes wrong is
said in one sentence on stderr with a non-zero exit status; `--debug` adds the traceback.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from cityeye.commands import (
    apply,
    backup,
    bench,
    cameras,
    chaos,
    check,
    coverage,
    doctor,
    events,
    group,
    hold,
    hub,
    plan,
    replay,
    rules,
    run,
    status,
    token,
    user,
)
from cityeye.commands import models as models_command
from cityeye.errors import is_ours, unexpected
from cityeye.logs import LogFormat, redact, set_up_logs

PROGRAM = "cityeye"

app = typer.Typer(
    name=PROGRAM,
    help="The AI centre behind a district's city eye.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(run.demo)
app.command("run")(run.run)
app.command("check")(check.check)
app.command("plan")(plan.plan)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("replay")(replay.replay)
app.command("apply")(apply.apply)
app.command("hub")(hub.hub)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("coverage")(coverage.coverage)
app.add_typer(rules.app, name="rules")
app.add_typer(token.app, name="token")
app.add_typer(user.app, name="user")
app.add_typer(group.app, name="group")
app.add_typer(events.app, name="events")
app.add_typer(hold.app, name="hold")
app.add_typer(models_command.app, name="models")
app.add_typer(bench.app, name="bench")
app.command("chaos")(chaos.chaos)
app.add_typer(cameras.app, name="cameras")


@dataclass(slots=True)
class Invocation:
    """What one call of the command line was asked for as a whole."""

    debug: bool = False


def _version(wanted: bool) -> None:
    """Says which program this is, and ends it."""
    if wanted:
        from importlib import metadata

        typer.echo(f"{PROGRAM} {metadata.version(PROGRAM)}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug logs.")] = False,
    log_format: Annotated[LogFormat, typer.Option(help="Format of log lines.")] = LogFormat.TEXT,
    _: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_version, help="Show the version."),
    ] = False,
) -> None:
    """The AI centre behind a district's city eye."""
    context.ensure_object(Invocation).debug = debug
    set_up_logs(log_format, "debug" if debug else "info", sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit status: 0 for success, 1 for a failure, 2 for a wrong command line.
    """
    invocation = Invocation()
    try:
        app(None if arguments is None else list(arguments), prog_name=PROGRAM, obj=invocation)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except Exception as error:
        if invocation.debug:
            sys.stderr.write(redact(traceback.format_exc()))
        sys.stderr.write(f"{PROGRAM}: {sentence(error)}\n")
        return 1
    return 0


def sentence(error: Exception) -> str:
    """An exception for a person, without logins: one line, or one for each mistake."""
    lines = [" ".join(line.split()) for line in redact(str(error)).splitlines()]
    if is_ours(error):
        return "\n".join(lines)
    return unexpected(type(error).__name__, " ".join(lines))
