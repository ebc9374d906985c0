"""`cityeye run`: everything that a configuration describes, from start to a clean stop.

Order of life: hub, Ray, models, cameras; and the other way round at the end, so that the last
incident's end still finds its way to the hub.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from pydantic import SecretStr
from rich.console import Console

from camera_adapters import CONNECTING
from cityeye.access import (
    CityNote,
    console_link,
    fingerprint_of,
    noted,
    relay_token,
    tokens_of,
)
from cityeye.config import Config, load_config
from cityeye.config.schema import ApiSection
from cityeye.hub_process import EVENTS_PATH, hub_process
from cityeye.plan import city_plan
from cityeye.progress import Progress, report
from pipelines.access import TokenFile, known_hosts, reachable_host
from pipelines.delivery import HttpSinkSettings, SinkSettings
from serving import (
    City,
    CityPlan,
    ClusterSettings,
    DirectorError,
    WorkerState,
    check_exposure,
    cluster,
)
from serving.api import ApiAccess

CHECK_EVERY_S = 1.0
"""As often as the director asks the workers; more often it would give the same answer again."""
CAMERAS_START_S = 60.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

PlanMaker = Callable[[Config, SinkSettings | None], CityPlan]
"""From a configuration and the way to the embedded hub, if any, to the plan."""


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
    config = load_config(config_path, os.environ)
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
        tokens = tokens_of(config.settings.state)
        tokens.prepare()
        wait_for_hub = None
        if config.settings.hub is not None:
            progress.step("starting the event hub")
            hub = hub_process(config.settings.hub, config.settings.keyframes, tokens.folder)
            wait_for_hub = stack.enter_context(hub)
        progress.step("starting Ray")
        stack.enter_context(_cluster(config.settings.api, tokens))
        switch.take_over()
        hub_url = wait_for_hub() if wait_for_hub is not None else None
        city = City(make_plan(config, _way_to(hub_url, config, tokens)), progress.step)
        check_exposure(_own_addresses(config))
        progress.step(f"control API: {api_url(config.settings.api)}/health")
        progress.step(f"logs, outbox and spool: {config.settings.state}")
        if hub_url is not None:
            show_console(hub_url, tokens, progress)
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
    kinds = {rule.kind for plan in config.plans for task in plan.tasks for rule in task.rules}
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


def api_url(api: ApiSection) -> str:
    """Where the control API answers on this machine."""
    scheme = "https" if api.certificate else "http"
    return f"{scheme}://{reachable_host(api.host)}:{api.port}"


@contextlib.contextmanager
def _cluster(api: ApiSection, tokens: TokenFile) -> Iterator[None]:
    """Ray with the control API behind its gate, and the note for commands on this machine."""
    settings = ClusterSettings(
        api_host=api.host,
        api_port=api.port,
        access=ApiAccess(tokens=tokens.folder, hosts=known_hosts(api.host, api.hosts)),
        certificate=api.certificate,
        key=api.key,
    )
    note = CityNote(str(tokens.folder), fingerprint_of(api.certificate))
    with cluster(settings), noted(api_url(api), note, os.environ):
        yield


def _own_addresses(config: Config) -> list[tuple[str, int]]:
    """Where this city listens."""
    sections = (config.settings.api, config.settings.hub)
    return [(section.host, section.port) for section in sections if section is not None]


def _way_to(hub_url: str | None, config: Config, tokens: TokenFile) -> SinkSettings | None:
    """How this run's relay sends events to the embedded hub, if there is one."""
    if hub_url is None or config.settings.hub is None:
        return None
    return HttpSinkSettings(
        url=hub_url + EVENTS_PATH,
        token=SecretStr(relay_token(tokens)),
        fingerprint=fingerprint_of(config.settings.hub.certificate),
    )


def show_console(hub_url: str, tokens: TokenFile, progress: Progress) -> None:
    """Where the console is; to a person at a terminal with a link that opens it."""
    if progress.is_terminal:
        progress.step(f"console: {hub_url}{console_link(tokens)}", "bold green")
    else:
        # What is written to a file or a journal must not let anybody in.
        progress.step(f"console: {hub_url}/ (log in with the token of `cityeye token show`)")


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
