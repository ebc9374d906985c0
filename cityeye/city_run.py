"""The city in this process: Ray, models and cameras, from start to a clean stop.

What is outside of it, the hub and the signals, belongs to whoever gives the orders.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from camera_adapters import CONNECTING
from cityeye.access import tokens_of
from cityeye.city_messages import CityBeat, CityPhase
from cityeye.city_requests import CityRequests
from cityeye.config import Config
from cityeye.config_editor import ConfigEditor
from cityeye.control_socket import control_socket
from cityeye.entrances import (
    gated_cluster,
    hub_sink,
    keyframe_address,
    noted_hub,
    own_addresses,
    show_console,
)
from cityeye.hub_control import api_url
from cityeye.plan import city_plan
from cityeye.progress import Progress, report
from cityeye.reconfiguration import Reconfiguration
from pipelines.delivery import SinkSettings
from serving import (
    City,
    CityPlan,
    DirectorError,
    DirectorLost,
    WorkerState,
)

CHECK_EVERY_S: Final = 1.0
"""As often as the director asks the workers; more often it would give the same answer again."""
CAMERAS_START_S: Final = 60.0
THE_DIRECTOR: Final = "the director"
THE_CONTROL_SERVICE: Final = "the control service of the Ray cluster"

PlanMaker = Callable[[Config, SinkSettings | None], CityPlan]
"""From a configuration and the way to the embedded hub, if any, to the plan."""


class Orders(Protocol):
    """Where the city gets its orders from, and tells how it is.

    Attributes:
        notes: What is wrong with parts that the city does not run, by part.
    """

    notes: Mapping[str, str]

    def hub_url(self) -> str | None:
        """Waits for the address of the embedded hub; None without one."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Waits up to `timeout_s` seconds; true once the city shall stop."""
        ...

    def came_on(self, beat: CityBeat) -> None:
        """The city works, and how far it is."""
        ...

    def took(self, config: Config) -> None:
        """The city has taken a changed configuration."""
        ...

    def guard(self, lost: Callable[[], str]) -> None:
        """From now on the city cannot go on where `lost` gives a reason."""
        ...


class CityRun:
    """One run of a city; see `run`."""

    def __init__(
        self, config: Config, orders: Orders, progress: Progress, make_plan: PlanMaker = city_plan
    ) -> None:
        """`make_plan` is called as `city_plan`."""
        self._config = config
        self._orders = orders
        self._progress = progress
        self._make_plan = make_plan
        self._until_s: float | None = None

    def run(self, duration_s: float | None, until_s: float | None, json_path: Path | None) -> None:
        """Watches the cameras until told to stop, then reports.

        Args:
            duration_s: Seconds from when the cameras were started; None watches until told to
                stop, or until every file has been seen to its end.
            until_s: When to stop, monotonic seconds, where the cameras were started before.
            json_path: Where the report goes.

        Raises:
            ServingError: Ray, a model or the director failed.
            ModelError: A package changed on disk after it was checked.
        """
        self._until_s = until_s
        self._step("starting Ray")
        api = self._config.settings.api
        tokens = tokens_of(self._config.settings.state)
        with gated_cluster(self._config.settings, tokens, self._step) as node:
            self._orders.guard(node.lost)
            hub_url = self._orders.hub_url()
            hub = hub_sink(hub_url, self._config, tokens)
            plan = self._make_plan(self._config, hub)
            address = keyframe_address(self._config, hub_url)
            delivery = replace(plan.delivery, keyframe_address=address)
            self._config.keep_rules()
            plan = replace(plan, delivery=delivery, control_service=node.control_service)
            city = City(plan, self._step)
            node.check_exposure(own_addresses(self._config))
            self._step(f"control API: {api_url(api)}/health")
            state = self._config.settings.state
            self._step(f"logs, outbox and spool: {state}")
            if hub_url is not None:
                show_console(hub_url, tokens, self._progress)
            changes = Reconfiguration(
                self._config,
                lambda new: self._make_plan(new, hub),
                city.apply,
                self._took,
                city.refusal,
            )
            try:
                requests = CityRequests(ConfigEditor(changes))
                path = self._config.path
                with (
                    noted_hub(self._config, hub_url, tokens),
                    control_socket(state, path, changes.apply, requests.answer),
                ):
                    self._watch(city, duration_s)
            except DirectorLost:
                self._stop(city)
                raise
            last = self._stop(city)
        self._report(last, json_path)

    def _took(self, config: Config) -> None:
        self._config = config
        self._orders.took(config)

    def _step(self, text: str, style: str = "") -> None:
        self._progress.step(text, style)
        self._tell("starting")

    def _tell(self, phase: CityPhase, status: str = "") -> None:
        self._orders.came_on(CityBeat(phase, 0.0, status, self._until_s, self._progress.incidents))

    def _watch(self, city: City, duration_s: float | None) -> None:
        """Prints what happens until it is time to stop."""
        ready_by_s = time.monotonic() + CAMERAS_START_S
        counts = self._until_s is not None
        noted: Mapping[str, str] = {}
        while not self._orders.wait(CHECK_EVERY_S):
            self._progress.away(THE_CONTROL_SERVICE, city.away)
            workers = self._workers(city)
            notes = dict(self._orders.notes)
            if notes or notes != noted:
                city.note(noted := notes)
            now_s = time.monotonic()
            if not counts and (all_decided(workers) or now_s > ready_by_s):
                counts = True
                self._until_s = now_s + duration_s if duration_s is not None else None
            if self._until_s is not None and now_s >= self._until_s:
                return
            cameras = [camera for state in workers for camera in state.cameras]
            everything = bool(cameras) and not any(state.unknown for state in workers)
            if everything and all(camera.ended for camera in cameras):
                self._progress.step("every file has been seen to its end")
                return

    def _workers(self, city: City) -> Sequence[WorkerState]:
        """The workers now; none while nothing is known of them."""
        try:
            workers = city.workers()
        except DirectorLost:
            raise
        except DirectorError as error:
            self._progress.away(THE_DIRECTOR, str(error))
            self._progress.unknown(str(error))
            self._tell("watching", str(error))
            return ()
        self._progress.away(THE_DIRECTOR, "")
        self._progress.observe(workers)
        self._tell("watching", self._progress.summary(workers))
        return workers

    def _stop(self, city: City) -> Sequence[WorkerState]:
        self._progress.step("stopping: ending incidents, delivering what is left")
        self._tell("stopping", "stopping")
        last: Sequence[WorkerState] = ()
        try:
            last = city.stop()
        except DirectorError as error:
            self._progress.step(str(error), "yellow")
        self._tell("stopping", "stopping")
        return last

    def _report(self, last: Sequence[WorkerState], json_path: Path | None) -> None:
        plans = self._config.plans
        kinds = {rule.kind for plan in plans for task in plan.tasks for rule in task.rules}
        self._progress.count(last)
        incidents = {**dict.fromkeys(kinds, 0), **self._progress.incidents}
        content: dict[str, Any] = report(last, incidents)
        if json_path is not None:
            json_path.parent.mkdir(parents=True, exist_ok=True)
            json_path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        counted = content["incidents"].items()
        found = ", ".join(f"{count} x {kind}" for kind, count in counted if count)
        self._progress.step(
            f"done: {found or 'no incident'}; {content['events_delivered']} events delivered, "
            f"{content['events_pending']} wait, {content['events_dead']} refused for good, "
            f"{content['keyframes_stored']} keyframes stored",
            "bold",
        )


def all_decided(workers: Sequence[WorkerState]) -> bool:
    """Whether every camera has been decided on: it decodes, or it is known why not."""
    if not workers or any(state.unknown for state in workers):
        return False
    cameras = (camera for state in workers for camera in state.cameras)
    return all(one.reader.decoded > 0 or one.reason != CONNECTING for one in cameras)
