"""`cityeye run`: everything that a configuration describes, from start to a clean stop.

Order of life: hub, Ray, models, cameras; and the other way round at the end, so that the last
incident's end still finds its way to the hub.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from camera_adapters.state import CONNECTING
from cityeye.config import Config, load_config
from cityeye.hub_process import EVENTS_PATH, HubProcess
from cityeye.plan import city_plan
from cityeye.progress import Progress
from cityeye.report import cameras_of, report, write_report
from cityeye.stop_switch import StopSwitch
from serving.city import City
from serving.cluster import ClusterSettings, cluster
from serving.director import WorkerState
from serving.errors import DirectorError

LOOK_EVERY_S = 0.5
CAMERAS_START_S = 60.0


def run_city(
    config_path: Path, duration_s: float | None, json_path: Path | None, console: Console
) -> int:
    """Watches the cameras of a configuration until told to stop; returns the exit status.

    Args:
        config_path: The configuration file.
        duration_s: Seconds to watch, counted from when the cameras were started; None watches
            until Ctrl-C, or until every file has been seen to its end.
        json_path: Where to write the report.
        console: Where progress is told.

    Raises:
        ConfigurationError: The file has mistakes.
        ServingError: Ray, a model or the director failed.
    """
    config = load_config(config_path, os.environ)
    return watch(config, duration_s, json_path, Progress(console))


def watch(
    config: Config, duration_s: float | None, json_path: Path | None, progress: Progress
) -> int:
    """Runs a checked configuration; see `run_city`."""
    with contextlib.ExitStack() as stack:
        switch = stack.enter_context(StopSwitch())
        hub = None
        if config.settings.hub is not None:
            progress.step("starting the event hub")
            hub = stack.enter_context(HubProcess(config.settings.hub, config.settings.keyframes))
        progress.step("starting Ray")
        api = config.settings.api
        stack.enter_context(cluster(ClusterSettings(api_host=api.host, api_port=api.port)))
        switch.take_over()
        hub_url = hub.wait() if hub is not None else None
        city = City(city_plan(config, hub_url and hub_url + EVENTS_PATH), progress.step)
        progress.step(f"control API: http://{api.host}:{api.port}/health")
        progress.step(f"logs, outbox and spool: {config.settings.state}")
        if hub_url is not None:
            progress.step(f"console: {hub_url}/", "bold green")
        last: Sequence[WorkerState] = []
        try:
            switch.be_gentle()
            last = _watch_until(city, duration_s, switch, progress)
        finally:
            progress.step("stopping: ending incidents, delivering what is left")
            last = _stop(city, last, progress)
    figures = report(last, _kinds(config))
    if json_path is not None:
        write_report(figures, json_path)
    _tell_end(figures, progress)
    return 0


def _watch_until(
    city: City, duration_s: float | None, switch: StopSwitch, progress: Progress
) -> Sequence[WorkerState]:
    """Tells what happens until it is time to stop; returns the newest snapshots."""
    workers: Sequence[WorkerState] = []
    started_s: float | None = None
    ready_by_s = time.monotonic() + CAMERAS_START_S
    while not switch.wait(LOOK_EVERY_S):
        with contextlib.suppress(DirectorError):
            workers = city.workers()
        progress.observe(workers)
        cameras = cameras_of(workers)
        now_s = time.monotonic()
        if started_s is None and (_all_told(workers) or now_s > ready_by_s):
            started_s = now_s
        if started_s is not None and duration_s is not None and now_s - started_s >= duration_s:
            break
        if cameras and all(camera.ended for camera in cameras):
            progress.step("every file has been seen to its end")
            break
    return workers


def _all_told(workers: Sequence[WorkerState]) -> bool:
    """Whether every camera has been decided on: it decodes, or it is known why not."""
    if not workers or any(state.snapshot is None for state in workers):
        return False
    return all(c.reader.decoded > 0 or c.reason != CONNECTING for c in cameras_of(workers))


def _stop(city: City, last: Sequence[WorkerState], progress: Progress) -> Sequence[WorkerState]:
    try:
        return city.stop()
    except DirectorError as error:
        progress.step(str(error), "yellow")
        return last


def _kinds(config: Config) -> list[str]:
    return sorted({rule.kind for plan in config.plans for t in plan.tasks for rule in t.rules})


def _tell_end(figures: dict[str, Any], progress: Progress) -> None:
    found = ", ".join(f"{count} x {kind}" for kind, count in figures["incidents"].items() if count)
    progress.step(
        f"done: {found or 'no incident'}; {figures['events_delivered']} events delivered, "
        f"{figures['keyframes_stored']} keyframes stored",
        "bold",
    )
