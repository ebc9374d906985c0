"""Calls that go straight to the only replica: limits, several replicas and a lost one, for real."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import ray
from ray import serve
from ray._private import internal_api
from ray.serve.handle import DeploymentHandle

from models.package import ModelPackage
from pipelines.detector import MicroBatch
from pipelines.plan import ModelRef
from serving.detector_handle import DetectorHandle
from serving.launch import RayServeDetectors
from serving.lean_ray import INLINE_BYTES
from serving.serve_detector import ServeDetector, application_name
from serving.served_models import model_ref, served_model
from tests.pipelines.frames import make_frame
from tests.serving.conftest import RunningCluster
from tests.serving.packages import SIZE
from tests.serving.test_city import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("running_cluster"),
]

LIMIT = 2
RAY_DEFAULT_LIMIT = 100 * 1024
CALLS = 6
PATIENCE_S = 60.0


@serve.deployment(max_ongoing_requests=LIMIT, ray_actor_options={"num_cpus": 0.1})
class Counter:
    """Says how many calls run at the moment."""

    def __init__(self) -> None:
        self.running = 0

    def detect(self, seconds: float) -> int:
        self.running += 1
        found = self.running
        time.sleep(seconds)
        self.running -= 1
        return found


@pytest.fixture(scope="module", params=[1])
def counter(
    request: pytest.FixtureRequest, running_cluster: RunningCluster
) -> Iterator[DetectorHandle]:
    """A deployment that keeps nothing of a call; its parameter is the number of replicas."""
    assert running_cluster.api_port
    deployment: Any = Counter
    bound = deployment.options(num_replicas=request.param).bind()
    handle: Any = serve.run(bound, name=f"counter-{request.param}", route_prefix=None)
    own = DetectorHandle(initialised(handle))
    own.detect(0.0).result(timeout_s=PATIENCE_S)
    yield own
    serve.delete(f"counter-{request.param}", _blocking=False)


def initialised(handle: Any) -> Any:
    if not handle.is_initialized:
        handle._init(_prefer_local_routing=True)
    return handle.options(_by_reference=True)


def forbid_router(monkeypatch: pytest.MonkeyPatch) -> None:
    def remote(*_arguments: object, **_named: object) -> None:
        pytest.fail("a call took the way over the router")

    monkeypatch.setattr(DeploymentHandle, "remote", remote)


def test_calls_of_the_only_replica_pass_the_router_by(
    counter: DetectorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_until(lambda: counter.only_replica() is not None, "the replica")
    forbid_router(monkeypatch)
    assert counter.detect(0.0).result(timeout_s=PATIENCE_S) >= 1


def test_the_replica_keeps_its_limit_of_calls_that_run_at_once(counter: DetectorHandle) -> None:
    wait_until(lambda: counter.only_replica() is not None, "the replica")
    responses = [counter.detect(0.1) for _ in range(CALLS)]
    assert max(one.result(timeout_s=PATIENCE_S) for one in responses) == LIMIT


@pytest.mark.parametrize("counter", [2], indirect=True, scope="module")
def test_serve_chooses_among_several_replicas(counter: DetectorHandle) -> None:
    assert counter.only_replica() is None
    assert counter.detect(0.0).result(timeout_s=PATIENCE_S) >= 1


def test_a_late_call_can_be_cancelled(counter: DetectorHandle) -> None:
    response = counter.detect(0.5)
    with pytest.raises(TimeoutError):
        response.result(timeout_s=0.0)
    response.cancel()
    assert counter.detect(0.0).result(timeout_s=PATIENCE_S) >= 1


def batch_of(model: ModelRef, count: int) -> MicroBatch:
    images = np.full((count, SIZE.height, SIZE.width, 3), 102, np.uint8)
    return MicroBatch(images, (make_frame(),) * count, ({},) * count, {model: tuple(range(count))})


def infer(port: ServeDetector, batch: MicroBatch) -> bool:
    """Whether a batch had a result; a failure is one that names the model."""
    result = port.submit(batch).result(PATIENCE_S)
    assert not result.failures or "brightness/1" in str(*result.failures.values())
    return not result.failures


def test_a_replica_that_is_killed_under_load_is_replaced(brightness: ModelPackage) -> None:
    RayServeDetectors().deploy([served_model(brightness)])
    model = model_ref(brightness)
    port, batch = ServeDetector(), batch_of(model_ref(brightness), 4)
    assert infer(port, batch)
    handle = DetectorHandle(initialised(serve.get_app_handle(application_name(model))))
    wait_until(lambda: handle.only_replica() is not None, "the replica")
    first = handle.only_replica()

    def load(end_s: float) -> list[bool]:
        results = []
        while time.monotonic() < end_s:
            results.append(infer(port, batch))
        return results

    with ThreadPoolExecutor(2) as callers:
        end_s = time.monotonic() + 3.0
        loads = [callers.submit(load, end_s) for _ in range(2)]
        time.sleep(0.5)
        ray.kill(first._actor_handle)
        results = [one for load in loads for one in load.result()]
    # Each caller loses what is in flight, and at most one more before the router knows.
    assert results.count(True) > 4 >= results.count(False)
    assert infer(port, batch), "it goes on"

    def successor() -> bool:
        found = handle.only_replica()
        return found is not None and found.replica_id != first.replica_id

    wait_until(successor, "a new replica")


def test_a_deployment_that_is_gone_fails_as_serve_says(brightness: ModelPackage) -> None:
    service, served = RayServeDetectors(), served_model(brightness)
    service.deploy([served])
    port, batch = ServeDetector(), batch_of(served.ref, 1)
    assert infer(port, batch)
    serve.delete(application_name(served.ref))
    error = port.submit(batch).result(PATIENCE_S).failures[served.ref]
    assert not error.timed_out


def stored_objects() -> int:
    """How many objects the store of this node ever had."""
    (node,) = (one for one in ray.nodes() if one["Alive"])
    stats: Any = internal_api.node_stats(node["NodeManagerAddress"], node["NodeManagerPort"])
    return int(stats.store_stats.cumulative_created_objects)


def test_what_fits_into_a_call_does_without_the_object_store(brightness: ModelPackage) -> None:
    RayServeDetectors().deploy([served_model(brightness)])
    model, port = model_ref(brightness), ServeDetector()
    small, large = batch_of(model, 64), batch_of(model, 128)
    assert RAY_DEFAULT_LIMIT < small.images.nbytes <= INLINE_BYTES < large.images.nbytes
    assert infer(port, small)
    before = stored_objects()
    assert infer(port, small)
    assert stored_objects() == before
    assert infer(port, large)
    assert stored_objects() == before + 1
