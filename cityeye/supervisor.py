"""The supervisor: what the main process of a city does. Whatever dies comes back, or the city ends.

It watches the city process and the embedded hub, ends what is frozen, leaves no process behind, and
is watched itself by systemd or whatever else started it. It never imports Ray.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Mapping
from multiprocessing import resource_tracker
from pathlib import Path
from types import TracebackType
from typing import Final

from camera_adapters import BackoffPolicy, RestartLimit
from cityeye.city_child import CityChild
from cityeye.city_messages import (
    CityBeat,
    CityJob,
    CityPhase,
    Done,
    Failed,
    HubAddress,
    Notes,
    Reconfigured,
    Stop,
)
from cityeye.config import Config
from cityeye.errors import CommandError, unexpected
from cityeye.hub_process import HubProcess
from cityeye.logs import log_settings
from cityeye.processes import (
    FrozenProcesses,
    adopt_orphans,
    end_below,
    how_it_ended,
    reap,
)
from cityeye.progress import Progress
from cityeye.stop_switch import StopSwitch
from cityeye.systemd import Systemd
from serving import processes_below

log = logging.getLogger(__name__)

ROUND_S: Final = 0.5
SWEEP_EVERY_S: Final = 3.0
SILENT_S: Final = 30.0
"""How long a city process may give no beat."""

IDLE_LIMITS_S: Final[Mapping[CityPhase, float]] = {
    "starting": 900.0,
    "watching": 60.0,
    "stopping": 90,
}
"""How long it may not come on, by what it is doing; loading models may take minutes."""

RESTARTS: Final = BackoffPolicy(first_s=1.0, cap_s=15.0, spread=0.0)
"""Waits before the city is started again; the first restart does not wait."""

MOST_RESTARTS: Final = 5
RESTARTS_WITHIN_S: Final = 1800.0
HUB, THE_CITY, THE_HUB = "hub", "the city", "the event hub"


class Supervisor:
    """Runs one configuration until told to stop. To be used in the main thread, as a context.

    The context ends everything that is below this process and was not there before.
    """

    def __init__(
        self,
        config: Config,
        progress: Progress,
        switch: StopSwitch,
        systemd: Systemd,
        hub: HubProcess | None,
        child: CityChild,
    ) -> None:
        """`child` is the first city process; those that replace it are started here."""
        self._child = child
        self._config = config
        self._progress = progress
        self._switch = switch
        self._systemd = systemd
        self._hub = hub
        self._hub_url: str | None = None
        self._until_s: float | None = None
        self._incidents: Mapping[str, int] = {}
        self._watched = False
        self._restarts = RestartLimit(MOST_RESTARTS, RESTARTS_WITHIN_S)
        self._frozen = FrozenProcesses()
        self._swept_s = self._kicked_s = time.monotonic()
        self._others = frozenset[int]()

    def __enter__(self) -> Supervisor:
        """To be entered before any process is started that the context is to end."""
        adopt_orphans()
        # Python's own helper for processes like the hub; it ends with this one.
        resource_tracker.ensure_running()
        me = os.getpid()
        there = {one.pid for one in processes_below(me) if one.parent == me}
        self._others = frozenset(there - {self._child.pid})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends what is left of the city."""
        self._systemd.stopping()
        self._end_city()

    def run(self, duration_s: float | None, json_path: Path | None) -> None:
        """Runs the city until it has stopped in good order.

        Raises:
            CommandError: It does not start, or it ends again and again; the text says why.
        """
        while True:
            try:
                reason = self._attend(self._child, self._job(duration_s, json_path))
            finally:
                self._child.end()
                self._end_city()
            if not reason:
                return
            if not self._watched:
                raise CommandError(reason)
            self._count_failure(reason)
            self._systemd.status(f"starting the city again: {reason}")
            self._child = CityChild()

    def _job(self, duration_s: float | None, json_path: Path | None) -> CityJob:
        log_format, log_level = log_settings()
        return CityJob(
            self._config,
            duration_s,
            self._until_s,
            json_path,
            self._progress.started_s,
            log_format,
            log_level,
            self._incidents,
        )

    def _attend(self, child: CityChild, job: CityJob) -> str:
        """Watches one city process; returns why it must be replaced, or empty if it is done."""
        child.send(job)
        if self._hub is not None and self._hub_url is None:
            self._hub_url = self._hub.wait()
        child.send(HubAddress(self._hub_url))
        heard_s, stopping, noted = time.monotonic(), False, ""
        while True:
            ended = child.status
            for answer in child.answers(ROUND_S):
                if isinstance(answer, Done):
                    return ""
                if isinstance(answer, Failed):
                    return self._explained(answer)
                heard_s = time.monotonic()
                if isinstance(answer, Reconfigured):
                    self._config = answer.config
                    continue
                self._note(answer)
                if answer.idle_s > IDLE_LIMITS_S[answer.phase]:
                    return f"the city process hangs while {answer.phase}"
            if ended is not None:
                return f"the city process died: {how_it_ended(ended)}"
            if time.monotonic() - heard_s > SILENT_S:
                return f"the city process has given no sign for {SILENT_S:.0f} s"
            if self._switch.is_set and not stopping:
                stopping = True
                child.send(Stop())
            problem = self._check_hub()
            if problem != noted:
                noted = problem
                child.send(Notes({HUB: problem} if problem else {}))
            self._keep_house()

    def _note(self, beat: CityBeat) -> None:
        self._until_s = beat.until_s or self._until_s
        self._incidents = beat.incidents or self._incidents
        if beat.status:
            self._systemd.status(beat.status)
        if beat.phase == "watching":
            if not self._watched:
                self._watched = True
                self._switch.be_gentle()
                self._systemd.ready()
            self._progress.away(THE_CITY, "")

    def _explained(self, failed: Failed) -> str:
        log.debug("city_failed\n%s", failed.trace)
        return unexpected(failed.kind, failed.reason) if failed.kind else failed.reason

    def _check_hub(self) -> str:
        """What is wrong with the hub, in a sentence; empty for nothing."""
        if self._hub is None:
            return ""
        away, problems = self._hub.check(), self._hub.problems
        self._progress.away(THE_HUB, away)
        self._progress.troubled(THE_HUB, problems)
        return away or "; ".join(f"{THE_HUB}: {one}" for one in problems)

    def _keep_house(self) -> None:
        """Tells systemd that this process works, and ends what is frozen."""
        now_s = time.monotonic()
        interval_s = self._systemd.watchdog_s
        if interval_s is not None and now_s - self._kicked_s >= interval_s / 2 - ROUND_S:
            self._kicked_s = now_s
            self._systemd.works()
        if now_s - self._swept_s < SWEEP_EVERY_S:
            return
        self._swept_s = now_s
        below = processes_below(os.getpid(), spare=self._others)
        reap(below, self._owned | {self._child.pid})
        for process in self._frozen.find(below, now_s):
            text = f"{process.name} (process {process.pid}) was stopped for too long; it is ended"
            self._progress.step(text, "yellow")
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def _count_failure(self, reason: str) -> None:
        """Waits before a restart, or gives up."""
        now_s = time.monotonic()
        recent = self._restarts.recent(now_s)
        if not self._restarts.note(now_s):
            raise CommandError(
                f"the city ended {MOST_RESTARTS + 1} times within {RESTARTS_WITHIN_S / 60:.0f} "
                f"minutes, the last time because {reason}; the logs under "
                f"{self._config.settings.state} may say why"
            )
        self._progress.away(THE_CITY, f"nobody watches: {reason}; the city is started again")
        until_s = now_s + RESTARTS.wait_s(recent)
        while time.monotonic() < until_s:
            if self._switch.wait(ROUND_S):
                raise CommandError("stopped before the city was back; events are in its outboxes")
            self._check_hub()
            self._keep_house()

    @property
    def _owned(self) -> frozenset[int]:
        """Children that somebody else waits for."""
        hub = self._hub.pid if self._hub is not None else None
        return self._others | frozenset({hub} if hub else ())

    def _end_city(self) -> None:
        for process in end_below(os.getpid(), self._owned):
            log.error("process_left", extra={"program": process.name, "pid": process.pid})
        reap(processes_below(os.getpid()), self._owned)
