"""`cityeye run`: everything that a configuration describes, from start to a clean stop.

Order of life: hub, Ray, models, cameras; and the other way round at the end, so that the last
incident's end still finds its way to the hub.
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console

from camera_adapters import CONNECTING
from cityeye.config import Config, load_config
from cityeye.control_socket import control_socket
from cityeye.environment import take_secrets
from cityeye.hub_process import EVENTS_PATH, hub_process
from cityeye.plan import city_plan
from cityeye.progress import Progress, report
from cityeye.reconfiguration import Reconfiguration
from serving import City, CityPlan, ClusterSettings, DirectorError, WorkerState, cluster

CHECK_EVERY_S = 1.0
"""As often as the director asks the workers; more often it would give the same answer again."""
CAMERAS_START_S = 60.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

PlanMaker = Callable[[Config, str | None], CityPlan]
"""From a configuration and the address of the hub, if any, to the plan."""


def run_city(
    config_path: Path, duration_s: float | None, json_path: Path | None, console: Console
) -> int:
    """Watches the cameras of a configuration file; returns the exit status.

    `duration_s` are seconds from when the cameras were started; None watches until Ctrl-C, or until
    every file has been seen to its end. The report goes to `json_path`.

    Raises:
        ConfigurationError: The file has mistakes.
        ServingError: Ray, a model or the director failed.
    """
    config = load_config(config_path, take_secrets(config_path))
    return watch(config, duration_s, json_path, Progress(console))


def watch(
    config: Config,
    duration_s: float | None,
    json_path: Path | None,
    progress: Progress,
    make_plan: PlanMaker = city_plan,
) -> int:
    """Runs a checked configuration; see `run_city`. `make_plan` is called as `city_plan`."""
    with contextlib.ExitStack() as stack:
        switch = stack.enter_context(StopSwitch())
        wait_for_hub = None
        if config.settings.hub is not None:
            progress.step("starting the event hub")
            hub = hub_process(config.settings.hub, config.settings.keyframes)
            wait_for_hub = stack.enter_context(hub)
        progress.step("starting Ray")
        api = config.settings.api
        stack.enter_context(cluster(ClusterSettings(api_host=api.host, api_port=api.port)))
        switch.take_over()
        hub_url = wait_for_hub() if wait_for_hub is not None else None
        events_url = hub_url and hub_url + EVENTS_PATH
        city = City(make_plan(config, events_url), progress.step)
        changes = Reconfiguration(config, lambda new: make_plan(new, events_url), city.apply)
        stack.enter_context(control_socket(config.settings.state, config.path, changes.apply))
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
            try:
                last = city.stop()
            except DirectorError as error:
                progress.step(str(error), "yellow")
    kinds = {
        rule.kind for plan in changes.config.plans for task in plan.tasks for rule in task.rules
    }
    content = report(last, sorted(kinds))
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    found = ", ".join(f"{count} x {kind}" for kind, count in content["incidents"].items() if count)
    progress.step(
        f"done: {found or 'no incident'}; {content['events_delivered']} events delivered, "
        f"{content['keyframes_stored']} keyframes stored",
        "bold",
    )
    return 0


def _watch_until(
    city: City, duration_s: float | None, switch: StopSwitch, progress: Progress
) -> Sequence[WorkerState]:
    """Prints what happens until it is time to stop; returns the newest snapshots."""
    workers: Sequence[WorkerState] = []
    started_s: float | None = None
    ready_by_s = time.monotonic() + CAMERAS_START_S
    while not switch.wait(CHECK_EVERY_S):
        with contextlib.suppress(DirectorError):
            workers = city.workers()
        progress.observe(workers)
        cameras = [camera for state in workers for camera in state.cameras]
        now_s = time.monotonic()
        if started_s is None and (_all_decided(workers) or now_s > ready_by_s):
            started_s = now_s
        if started_s is not None and duration_s is not None and now_s - started_s >= duration_s:
            break
        if cameras and all(camera.ended for camera in cameras):
            progress.step("every file has been seen to its end")
            break
    return workers


def _all_decided(workers: Sequence[WorkerState]) -> bool:
    """Whether every camera has been decided on: it decodes, or it is known why not."""
    if not workers or any(state.snapshot is None for state in workers):
        return False
    cameras = (camera for state in workers for camera in state.cameras)
    return all(one.reader.decoded > 0 or one.reason != CONNECTING for one in cameras)


class StopSwitch:
    """Ctrl-C and SIGTERM end a run at once while it starts, and gently once it runs.

    Takes over both signals for as long as the context lasts. Until `be_gentle`, a signal raises
    `KeyboardInterrupt` where the program is. After it, the first signal sets the switch, and only
    a second one interrupts.
    """

    def __init__(self) -> None:
        self._set = threading.Event()
        self._gentle = False

    def __enter__(self) -> StopSwitch:
        """Takes over the signals. Only possible in the main thread."""
        self._previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        self.take_over()
        return self

    def __exit__(self, *_: object) -> None:
        """Gives the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def take_over(self) -> None:
        """Takes the signals again: Ray puts handlers of its own, which kill, in place of ours."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)

    def be_gentle(self) -> None:
        """From now on the first signal only sets the switch."""
        self.take_over()
        self._gentle = True

    def wait(self, timeout_s: float) -> bool:
        """Waits up to `timeout_s` seconds; true once the switch is set."""
        return self._set.wait(timeout_s)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self._gentle or self._set.is_set():
            raise KeyboardInterrupt
        self._set.set()
