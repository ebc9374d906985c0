"""Keeps secrets out of the environment of this process, and of everything that it starts.

The kernel shows the environment that a program was started with in `/proc/PID/environ` for as long
as it runs, and every child inherits it. So whoever is started with secrets in it reads them once
and executes itself anew without them; the values travel in a file without a name, in memory.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cityeye.config import secret_variables

DESCRIPTOR: Final = "CITYEYE_SECRETS_FD"
MEMORY_FILE: Final = "cityeye-secrets"
OWN_SECRETS: Final = re.compile(r"CITYEYE_\w*(KEY|PASSWORD|SECRET|TOKEN)")
NEEDED: Final = re.compile(
    r"HOME|HOSTNAME|LANG|LC_\w+|LD_\w+|LOGNAME|PATH|PWD|PYTHON\w*|RAY_\w+|SHELL|TERM|TMPDIR|TZ|USER"
    r"|VIRTUAL_ENV|XDG_\w+"
)
"""What programs need; these stay, although a configuration may name them in an address."""


def take_secrets(config_path: Path | None = None) -> dict[str, str]:
    """The environment as it was given, and no secret in that of this process from now on.

    Secrets are our own variables with such a name, and those in secret values of a configuration.
    Where there are any this does not return: the program is executed anew, in the same process, and
    calls it again. To be called once, at the start, before there are threads and children.
    """
    handed = _handed_over()
    if handed is not None:
        return {**os.environ, **handed}
    secrets = {name: os.environ[name] for name in _secret_names(config_path)}
    if secrets:
        environment, descriptor = without_secrets(secrets)
        os.set_inheritable(descriptor, True)
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, sys.orig_argv, environment)  # noqa: S606 - ourselves
    return dict(os.environ)


def without_secrets(secrets: Mapping[str, str]) -> tuple[dict[str, str], int]:
    """The environment of a program that calls `take_secrets`, and what it must inherit.

    Returns:
        The environment, and a file descriptor that the caller passes on and then closes.
    """
    descriptor = os.memfd_create(MEMORY_FILE)
    os.write(descriptor, json.dumps(dict(secrets)).encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    kept = {name: value for name, value in os.environ.items() if name not in secrets}
    return {**kept, DESCRIPTOR: str(descriptor)}, descriptor


def _secret_names(config_path: Path | None) -> set[str]:
    """Names of the variables of this process that hold secrets."""
    named = secret_variables(config_path, os.environ) if config_path is not None else ()
    present = {name for name in named if name in os.environ and not NEEDED.fullmatch(name)}
    return present | {name for name in os.environ if OWN_SECRETS.fullmatch(name)}


def _handed_over() -> dict[str, str] | None:
    """What the program that started this one has handed over; None if nothing."""
    given = os.environ.pop(DESCRIPTOR, "")
    if not given.isdecimal():
        return None
    try:
        target = os.readlink(f"/proc/self/fd/{given}")
    except OSError:
        return None
    # A variable that came from elsewhere must not close a file of ours.
    if not target.startswith(f"/memfd:{MEMORY_FILE}"):
        return None
    with open(int(given), "rb") as file:
        secrets: dict[str, str] = json.load(file)
    return secrets
