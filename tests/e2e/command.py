"""Runs the command line as a person does: a process of its own, its output read at the end."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.access import TokenFile

TIMEOUT_S = 420.0


@dataclass(frozen=True)
class Ran:
    """A finished command."""

    status: int
    output: str

    def said(self, pattern: str) -> bool:
        """Whether the output has a match."""
        return re.search(pattern, self.output) is not None


def cityeye(*arguments: str, folder: Path, timeout_s: float = TIMEOUT_S) -> Ran:
    """Runs `cityeye` in a folder; both outputs are taken together, as on a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "cityeye", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Ran(done.returncode, done.stdout)


def read_json(path: Path) -> Any:
    """A report."""
    return json.loads(path.read_text(encoding="utf-8"))


def auth_of(state: Path) -> dict[str, str]:
    """The header that opens control API and hub of a city whose state is in a folder."""
    return {"Authorization": f"Bearer {TokenFile(state / 'access').first()}"}


def free_ports(count: int) -> list[int]:
    """Ports that nobody has right now."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
