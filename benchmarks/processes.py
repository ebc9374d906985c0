"""Processor time of the processes of a city, from /proc, named by what each of them is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from serving import PROC, PROCESS_GONE, RunningProcess, processes_below

MAIN: Final = "main process"
WORKERS: Final = "camera workers"
REPLICAS: Final = "detector replicas"
HUB: Final = "event hub"
CITY: Final = "city process"
RAY_NODE: Final = "Ray: raylet"
GCS: Final = "Ray: GCS"
_NAMES: Final = (
    ("gcs_server", GCS),
    ("raylet/raylet", RAY_NODE),
    ("runtime_env", "Ray: runtime environments"),
    ("log_monitor", "Ray: log monitor"),
    ("monitor.py", "Ray: autoscaler"),
    ("dashboard/agent", "Ray: dashboard agent"),
    ("dashboard/dashboard", "Ray: dashboard"),
    ("multiprocessing.spawn", HUB),
    ("multiprocessing.resource_tracker", "resource tracker"),
    ("cityeye.city_process", CITY),
)
"""What a command line holds, and the process that it belongs to; the first that fits counts."""

_TITLES: Final = (
    (re.compile(r"^ray::CameraWorker"), WORKERS),
    (re.compile(r"^ray::ServeReplica:detector-"), REPLICAS),
    (re.compile(r"^ray::ServeReplica:control-api"), "control API"),
    (re.compile(r"^ray::Director"), "director"),
    (re.compile(r"^ray::ServeController"), "Ray Serve: controller"),
    (re.compile(r"^ray::ProxyActor"), "Ray Serve: proxy"),
    (re.compile(r"^ray::DashboardAgent"), "Ray: dashboard agent"),
    (re.compile(r"^ray::RuntimeEnvAgent"), "Ray: runtime environments"),
)
"""The titles that Ray gives to processes of a city."""


@dataclass(frozen=True, slots=True)
class CityProcesses:
    """The processes of a city at one moment.

    Attributes:
        names: What each is, by process id.
        cpu_s: Processor time of each since it started, user and system, seconds.
    """

    names: Mapping[int, str]
    cpu_s: Mapping[int, float]

    def since(self, before: CityProcesses) -> dict[str, float]:
        """Processor seconds by name since an earlier moment; nothing of what ended meanwhile."""
        spent: defaultdict[str, float] = defaultdict(float)
        for pid, cpu_s in self.cpu_s.items():
            spent[self.names[pid]] += cpu_s - before.cpu_s.get(pid, 0.0)
        return dict(spent)


def processes_of(root: int) -> CityProcesses:
    """A process and all below it."""
    names: dict[int, str] = {}
    cpu_s: dict[int, float] = {}
    with suppress(*PROCESS_GONE):
        cpu_s[root] = RunningProcess.read(root).cpu_s
        names[root] = MAIN
    for process in processes_below(root):
        with suppress(*PROCESS_GONE):
            names[process.pid] = process_name(command_of(process.pid))
            cpu_s[process.pid] = process.cpu_s
    return CityProcesses(names, cpu_s)


def command_of(pid: int) -> str:
    """The command line of a process, or the title that it gave itself.

    Raises one of `PROCESS_GONE` where it has ended.
    """
    command = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ")
    return command.decode(errors="replace").strip()


def process_name(command: str) -> str:
    """What a process of a city is, by its command line or by the title that it gave itself."""
    for title, name in _TITLES:
        if title.match(command):
            return name
    if command.startswith("ray::"):
        return f"Ray: {command.removeprefix('ray::').split('.')[0].split(' ')[0]}"
    return next((name for part, name in _NAMES if part in command), command[:60] or "ended")
