"""What can go wrong while serving."""

from __future__ import annotations

import re
from typing import Final

_EXIT: Final = re.compile(r"Worker exit type: (\w+) Worker exit detail: (.+)")


def last_line(error: object) -> str:
    """The last line of a remote error, which is where the cause stands."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__


def first_line(error: Exception) -> str:
    """The first line of an error, or its type where it has no text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def death_of(error: object) -> str:
    """Why a process of Ray is gone, in words for an operator.

    Ray tells every way that it knows of how a process may have ended, in several hundred
    characters. What cannot be told apart is said as such.
    """
    text = last_line(error)
    found = _EXIT.search(text)
    if found is None:
        return text
    kind, detail = found.groups()
    if kind == "SYSTEM_ERROR" and detail.startswith("Worker unexpectedly exits"):
        return "its process crashed or was killed"
    return f"its process ended: {detail} ({kind})"


class ServingError(Exception):
    """Base of this package's errors; the text says what happened and what to do."""


class ClusterError(ServingError):
    """Ray or Ray Serve could not be started or reached."""


class DirectorError(ServingError):
    """The director does not answer, or does not know what it was asked for."""


class DirectorLost(DirectorError):
    """The director ends again and again; the city cannot go on without one."""


class CityAwayError(ServingError):
    """No city process answers on this machine."""


class RolloutError(ServingError):
    """A change of versions was refused; the versions in service stay as they are."""


class RolloutBusy(RolloutError):
    """Another change is under way; try again when it is done."""
