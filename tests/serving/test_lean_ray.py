"""Ray really does without what is switched off; a new Ray that ignores a switch fails here."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray import serve
from ray._private import services
from ray.serve._private import router
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE

from serving.api.control_api import build_api
from serving.city import API_APPLICATION
from serving.controller_pace import SETTLED_INTERVAL_S
from serving.lean_ray import (
    METRICS_EXPORT_INTERVAL,
    RAY_VARIABLES,
    SERVE_VARIABLES,
    use_lean_settings,
)
from tests.serving.conftest import RunningCluster
from tests.serving.test_city import wait_until


@pytest.mark.parametrize("name", RAY_VARIABLES)
def test_the_processes_of_ray_know_the_variable(name: str) -> None:
    for program in (services.RAYLET_EXECUTABLE, services.GCS_SERVER_EXECUTABLE):
        assert name.encode() in Path(program).read_bytes(), program


def test_serve_reads_its_variables_from_the_environment() -> None:
    names = sorted(SERVE_VARIABLES)
    read = (
        "import json, sys; from ray.serve._private import constants; "
        "known = vars(constants); names = sys.argv[1:]; "
        "names = [n if n in known else n.removeprefix('RAY_SERVE_') for n in names]; "
        "print(json.dumps([str(known[name]) for name in names]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", read, *names],
        env={**os.environ, **SERVE_VARIABLES},
        capture_output=True,
        check=True,
        timeout=60,
    )
    # Serve turns a switch into a bool.
    read_as = {"False": "0"}
    found = [read_as.get(value, value) for value in json.loads(answer.stdout)]
    assert found == [SERVE_VARIABLES[name] for name in names]


def test_handles_of_this_process_export_their_counters_as_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (*RAY_VARIABLES, *SERVE_VARIABLES):
        monkeypatch.setenv(name, os.environ.get(name, "1"))
    monkeypatch.setenv(METRICS_EXPORT_INTERVAL, "7000")
    monkeypatch.setattr(router, METRICS_EXPORT_INTERVAL, 100)
    use_lean_settings()
    assert vars(router)[METRICS_EXPORT_INTERVAL] == 7000
    assert METRICS_EXPORT_INTERVAL in router.RouterMetricsManager.__init__.__code__.co_names


def processes_of_ray() -> list[tuple[str, psutil.Process]]:
    found = []
    for process in psutil.Process().children(recursive=True):
        # One that has just ended has no command line any more.
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append((" ".join(process.cmdline()), process))
    return found


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_dashboard_log_reader_or_autoscaler_runs(running_cluster: RunningCluster) -> None:
    assert running_cluster.api_port
    commands = [command for command, _ in processes_of_ray()]
    assert any("raylet" in command for command in commands), "this Ray has processes"
    unused = ("dashboard.py", "log_monitor.py", "monitor.py", "ray::DashboardHead")
    assert not [command for command in commands if any(name in command for name in unused)]


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_agent_of_the_node_has_no_modules(running_cluster: RunningCluster) -> None:
    """With modules it would listen for calls."""
    assert running_cluster.api_port

    def agents() -> list[psutil.Process]:
        return [process for command, process in processes_of_ray() if "DashboardAgent" in command]

    wait_until(lambda: len(agents()) == 1, "the agent")
    (agent,) = agents()
    listening = [one for one in agent.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    assert not listening


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_control_loop_slows_down_under_settled_applications(
    running_cluster: RunningCluster,
) -> None:
    assert running_cluster.api_port
    serve.run(build_api(None, "in_process"), name=API_APPLICATION, route_prefix="/")
    controller = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)

    def slept_s() -> float:
        metrics: Any = ray.get(controller.get_health_metrics.remote())
        return float(metrics["last_sleep_duration_s"])

    wait_until(lambda: slept_s() >= SETTLED_INTERVAL_S, "a slow control loop")
