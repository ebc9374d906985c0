"""Keeps what Ray does beside our work small: it is built for clusters of many users and nodes.

One machine, one program: nobody reads Ray's metrics, its task list or its dashboard, nothing is
scaled, and no log line is sent to a terminal. Most of this has no public setting in Ray 2.60.
Tests list the processes of a running city and look up every name below in the installed Ray, so
a new version of Ray that ignores one of them is noticed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray._private import ray_constants, services
from ray._private.node import Node
from ray.serve._private import router

INLINE_BYTES = 1_000_000
"""Arguments up to this size go inside a call, where `RAY_VARIABLES` are in force.

An image of 640x384 in the store cost a call 1.0 ms more of processor time than inside the call,
nearly all of it in the raylet.
"""

RAY_VARIABLES: Mapping[str, str] = {
    # Ray's own metrics go to an agent that offers them to Prometheus. Ours are at /metrics.
    "RAY_enable_metrics_collection": "0",
    # Every call of an actor is reported once a second, for `ray list tasks`.
    "RAY_task_events_report_interval_ms": "0",
    # Time stamps around every handler of every event loop, for a debug log.
    "RAY_event_stats": "0",
    # The limit for an argument with what belongs to it. Default 100 KiB.
    "RAY_max_direct_call_object_size": str(INLINE_BYTES + 4096),
    # Asked for by the autoscaler, which does not run here. Default 1000.
    "RAY_gcs_pull_resource_loads_period_milliseconds": "10000",
}
"""Settings of Ray's processes, which read them from the environment."""

METRICS_EXPORT_INTERVAL = "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS"
SERVE_VARIABLES: Mapping[str, str] = {
    # Counters are handed to Ray's metrics ten times a second, changed or not. Default 100.
    METRICS_EXPORT_INTERVAL: "10000",
    # A second event loop for our methods would wake two more threads per call. They are plain
    # methods, which Serve runs in a thread pool anyway.
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    # A proxy that died is replaced after three failed checks. Default 10, which makes it 35 s.
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "3.0",
    # Serve calls it in the controller's process before the control loop starts.
    "RAY_SERVE_CONTROLLER_CALLBACK_IMPORT_PATH": "serving.controller_pace.pace_controller",
}
"""Settings of Serve's actors, which read them from the environment."""

UNUSED_PROCESSES = ("start_api_server", "start_log_monitor", "start_monitor")
"""Methods of Ray's `Node` that start the dashboard, the reader of log files and the autoscaler."""

AGENTS = (
    ray_constants.PROCESS_TYPE_DASHBOARD_AGENT,
    ray_constants.PROCESS_TYPE_RUNTIME_ENV_AGENT,
)
MINIMAL_AGENT = Path(__file__).with_name("minimal_agent.py")
"""Program that is put before the path of one of Ray's agents in the command that starts it."""


def use_lean_settings() -> None:
    """To be called before `ray.init`; a variable that is set already keeps its value."""
    for name, value in {**RAY_VARIABLES, **SERVE_VARIABLES}.items():
        os.environ.setdefault(name, value)  # noqa: TID251 - Ray hands them on to what it starts
    # Serve read the variable when it was imported; handles in this process export counters too.
    module: Any = router
    module.RAY_SERVE_METRICS_EXPORT_INTERVAL_MS = int(os.environ[METRICS_EXPORT_INTERVAL])  # noqa: TID251


@contextmanager
def lean_start() -> Iterator[None]:
    """A Ray that is started in this context has no `UNUSED_PROCESSES`, and a minimal agent."""
    node: Any = Node
    module: Any = services
    methods = {name: getattr(node, name) for name in UNUSED_PROCESSES}
    python_command = module._build_python_executable_command_memory_profileable

    def command(component: str, *arguments: object) -> list[str]:
        built: list[str] = python_command(component, *arguments)
        agent = component in AGENTS
        # -P: the names of the modules beside it must not hide others from Ray.
        return [*built, "-P", str(MINIMAL_AGENT)] if agent else built

    for name in methods:
        setattr(node, name, _start_nothing)
    module._build_python_executable_command_memory_profileable = command
    try:
        yield
    finally:
        for name, method in methods.items():
            setattr(node, name, method)
        module._build_python_executable_command_memory_profileable = python_command


def _start_nothing(_node: Node, **_options: object) -> None:
    """Stands for a method of `UNUSED_PROCESSES`."""
