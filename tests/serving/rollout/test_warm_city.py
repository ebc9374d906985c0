"""A version that left service runs on in a city on Ray Serve, and is what a rollback goes to."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray import serve

from serving.city import City
from tests.camera_adapters.clips import TinyClip
from tests.pipelines.delivery.http_receiver import Receiver
from tests.serving.cities import city_plan
from tests.serving.conftest import RunningCluster
from tests.serving.packages import brightness_package

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]

NAME = "lasting"
WAIT_S = 150.0


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_rollback_goes_to_replicas_that_run_still(
    running_cluster: RunningCluster, tiny_clip: TinyClip, tmp_path: Path
) -> None:
    first = brightness_package(tmp_path / "packages", name=NAME)
    brightness_package(tmp_path / "packages", name=NAME, version="2")
    receiver = Receiver()
    clip = f"{tiny_clip.path.as_uri()}?realtime=1&loop=1"
    plan = replace(city_plan({"gate": clip}, first, tmp_path, receiver.url), keep_warm_s=30.0)
    city = City(plan)
    api = f"http://127.0.0.1:{running_cluster.api_port}"

    def ask(path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | running_cluster.auth
        request = urllib.request.Request(api + path, data, headers)
        with urllib.request.urlopen(request, timeout=200) as answer:
            return json.load(answer)

    def models() -> dict[str, dict[str, Any]]:
        return {one["version"]: one for one in ask("/models")}

    def started_at() -> float:
        name = models()["1"]["application"]
        return float(serve.status().applications[name].last_deployed_time_s)

    try:
        before = started_at()
        ask(f"/models/{NAME}/rollout", {"canary": "2", "cameras": "gate"})
        ask(f"/models/{NAME}/promote", {})
        wait_until(lambda: models()["2"]["cameras"] == ["gate"])
        wait_until(lambda: models()["1"]["role"] == "warm")
        time.sleep(3.0)
        kept = models()["1"]
        assert (kept["status"], kept["replicas"], kept["cameras"]) == ("RUNNING", 1, [])
        assert kept["warm_until"]
        assert kept["memory_bytes"] > 10_000_000
        table = ask(f"/models/{NAME}/rollback", {})
        assert (table["stable"], table["warm"]["version"], table["leaving"]) == ("1", "2", [])
        assert started_at() == before, "nothing was started for it"
        wait_until(lambda: models()["1"]["cameras"] == ["gate"])
        wait_until(lambda: "2" not in models())
    finally:
        city.stop()
        receiver.close()
