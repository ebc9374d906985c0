"""`cityeye run`: everything that a configuration describes, from start to a clean stop.

Two processes: this one supervises, the city process runs Ray with models and cameras. Order of
life: hub, Ray, models, cameras; and the other way round at the end, so that the last incident's
end still finds its way to the hub.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from rich.console import Console

from cityeye.access import tokens_of
from cityeye.city_child import CityChild
from cityeye.config import Config, load_config
from cityeye.environment import take_secrets
from cityeye.hub_control import hub_control
from cityeye.hub_process import HubProcess
from cityeye.progress import Progress
from cityeye.stop_switch import StopSwitch
from cityeye.supervisor import Supervisor
from cityeye.systemd import Systemd, forget
from pipelines.delivery import make_folder
from pipelines.free_memory import set_up_heaps


def run_city(
    config_path: Path,
    duration_s: float | None,
    json_path: Path | None,
    console: Console,
) -> int:
    """Watches the cameras of a configuration file; returns the exit status.

    `duration_s` are seconds from when the cameras were started; None watches until Ctrl-C, or until
    every file has been seen to its end. The report goes to `json_path`.

    Raises:
        ConfigurationError: The file has mistakes.
        CommandError: Ray, a model, the hub or the director failed.
    """
    # Before any child: it would inherit the secrets.
    environment = take_secrets(config_path)
    set_up_heaps(os.environ)
    # It imports Ray while this process reads the configuration.
    with CityChild() as child:
        config = load_config(config_path, environment)
        return watch(config, duration_s, json_path, Progress(console), child)


def watch(
    config: Config,
    duration_s: float | None,
    json_path: Path | None,
    progress: Progress,
    child: CityChild,
) -> int:
    """Runs a checked configuration; see `run_city`."""
    systemd = Systemd(os.environ)
    forget(os.environ)
    with contextlib.ExitStack() as stack:
        switch = stack.enter_context(StopSwitch())
        # For its owner alone, whatever the umask; what is wrong with it the tokens say in words.
        with contextlib.suppress(OSError):
            make_folder(config.settings.state)
        tokens = tokens_of(config.settings.state)
        tokens.prepare()
        hub = None
        section = config.settings.hub
        if section is not None:
            kept = config.settings.retention.hub.hub_retention
            control = hub_control(config.settings, tokens)
            traces, store = config.settings.traces, config.settings.keyframes
            hub = HubProcess(section, store, tokens.folder, kept, control, traces)
        # Before the hub is started, and so ended after it.
        supervisor = stack.enter_context(Supervisor(config, progress, switch, systemd, hub, child))
        if hub is not None:
            progress.step("starting the event hub")
            stack.enter_context(hub)
        supervisor.run(duration_s, json_path)
    return 0
