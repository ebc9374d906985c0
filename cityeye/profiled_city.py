"""A city under profile: `python -m cityeye.profiled_city CONFIG [--without-sinks]`.

It is the city of `cityeye run CONFIG`, in one process and with nobody to replace it, whose workers
also record the profile. It stops when standard input ends. `--without-sinks` leaves out where
events go, so that only the city itself is measured.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.profiling import record_profile
from cityeye.access import tokens_of
from cityeye.city_messages import CityBeat
from cityeye.city_run import CityRun
from cityeye.config import Config, load_config
from cityeye.hub_process import HubProcess
from cityeye.plan import city_plan
from cityeye.progress import Progress
from cityeye.stop_switch import StopSwitch
from pipelines.delivery import SinkSettings
from serving import CityPlan

WITHOUT_SINKS: Final = "--without-sinks"


def profiled_plan(without_sinks: bool, config: Config, hub: SinkSettings | None) -> CityPlan:
    """The plan of a configuration, with the profile in every worker; raises as `city_plan`."""
    plan = city_plan(config, hub)
    delivery = replace(plan.delivery, sinks=()) if without_sinks else plan.delivery
    return replace(plan, log_to=partial(record_profile, plan.log_to), delivery=delivery)


class OwnOrders:
    """The orders of a city without a supervisor; see `Orders`."""

    def __init__(self, switch: StopSwitch, hub: HubProcess | None) -> None:
        self.notes: Mapping[str, str] = {}
        self._switch = switch
        self._hub = hub

    def hub_url(self) -> str | None:
        """See `Orders`."""
        self._switch.take_over()
        return self._hub.wait() if self._hub is not None else None

    def wait(self, timeout_s: float) -> bool:
        """See `Orders`."""
        return self._switch.wait(timeout_s)

    def came_on(self, beat: CityBeat) -> None:
        """See `Orders`."""
        if beat.phase == "watching":
            self._switch.be_gentle()

    def took(self, config: Config) -> None:
        """See `Orders`: nobody else needs to know."""

    def guard(self, lost: Callable[[], str]) -> None:
        """See `Orders`: nobody would start it again."""


def main(arguments: Sequence[str]) -> int:
    """Runs the city until standard input ends; returns the exit status."""
    path, *flags = arguments
    make_plan = partial(profiled_plan, WITHOUT_SINKS in flags)
    threading.Thread(target=_stop_with_input, daemon=True).start()
    config = load_config(Path(path), os.environ)
    progress = Progress(Console(stderr=True, soft_wrap=True, highlight=False))
    with contextlib.ExitStack() as stack:
        switch = stack.enter_context(StopSwitch())
        hub, section = None, config.settings.hub
        tokens = tokens_of(config.settings.state)
        tokens.prepare()
        if section is not None:
            kept = config.settings.retention.hub.hub_retention
            process = HubProcess(section, config.settings.keyframes, tokens.folder, kept)
            hub = stack.enter_context(process)
        CityRun(config, OwnOrders(switch, hub), progress, make_plan).run(None, None, None)
    return 0


def _stop_with_input() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
