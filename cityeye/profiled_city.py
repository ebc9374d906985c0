"""A city under profile: `python -m cityeye.profiled_city CONFIG [--without-sinks]`.

It is `cityeye run CONFIG`, whose workers also record the profile. The city stops when standard
input ends. `--without-sinks` leaves out where events go, so that only the city itself is measured.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.profiling import record_profile
from cityeye.config import Config, load_config
from cityeye.plan import city_plan
from cityeye.progress import Progress
from cityeye.run import watch
from pipelines.delivery import SinkSettings
from serving import CityPlan

WITHOUT_SINKS: Final = "--without-sinks"


def profiled_plan(without_sinks: bool, config: Config, hub: SinkSettings | None) -> CityPlan:
    """The plan of a configuration, with the profile in every worker; raises as `city_plan`."""
    plan = city_plan(config, hub)
    delivery = replace(plan.delivery, sinks=()) if without_sinks else plan.delivery
    return replace(plan, log_to=partial(record_profile, plan.log_to), delivery=delivery)


def main(arguments: Sequence[str]) -> int:
    """Runs the city until standard input ends; returns the exit status."""
    path, *flags = arguments
    make_plan = partial(profiled_plan, WITHOUT_SINKS in flags)
    threading.Thread(target=_stop_with_input, daemon=True).start()
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    # What `cityeye run` does, with another plan: the main process is part of what is measured.
    return watch(load_config(Path(path), os.environ), None, None, Progress(console), make_plan)


def _stop_with_input() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
