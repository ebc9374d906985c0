"""The detector port, contract-tested over Ray Serve and in process: same batch, same answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from models.package import ModelPackage, sha256_of
from pipelines.detector import DetectorPort, MicroBatch
from pipelines.plan import ModelRef
from serving.in_process import InProcessDetector
from serving.launch import RayServeDetectors
from serving.serve_detector import ServeDetector
from serving.served_models import model_ref, served_model
from tests.pipelines.frames import make_frame
from tests.serving.conftest import RunningCluster
from tests.serving.packages import BOX, SIZE, brightness_package

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def deployed(running_cluster: RunningCluster, brightness: ModelPackage) -> None:
    """The model as an application of Ray Serve, which no test here changes."""
    assert running_cluster.api_port
    RayServeDetectors().deploy([served_model(brightness)])


@pytest.fixture(params=[pytest.param("serve", marks=pytest.mark.ray), "in_process"])
def port(request: pytest.FixtureRequest, brightness: ModelPackage) -> Iterator[DetectorPort]:
    if request.param == "serve":
        request.getfixturevalue("deployed")
        detector: DetectorPort = ServeDetector()
    else:
        detector = InProcessDetector({str(brightness): served_model(brightness)})
    yield detector
    detector.close()


def batch_of(model: ModelRef, values: list[int], rows: tuple[int, ...]) -> MicroBatch:
    images = np.stack([np.full((SIZE.height, SIZE.width, 3), v, np.uint8) for v in values])
    frames = tuple(make_frame(f"c{row}", sizes=(SIZE,)) for row in range(len(values)))
    return MicroBatch(images, frames, ({},) * len(frames), {model: rows})


def test_every_row_gets_its_own_answer(port: DetectorPort, brightness: ModelPackage) -> None:
    model = model_ref(brightness)
    pending = port.submit(batch_of(model, [51, 102, 153, 204], (0, 1, 2, 3)))
    found = pending.result(20.0).found[model]
    assert [float(d.scores[0]) for d in found] == pytest.approx([0.2, 0.4, 0.6, 0.8], abs=1e-3)
    assert found[0].boxes[0] == pytest.approx(BOX)


def test_only_the_wanted_rows_are_inferred(port: DetectorPort, brightness: ModelPackage) -> None:
    model = model_ref(brightness)
    found = port.submit(batch_of(model, [51, 102, 153], (0, 2))).result(20.0).found[model]
    assert [float(d.scores[0]) for d in found] == pytest.approx([0.2, 0.6], abs=1e-3)


def test_an_image_with_nothing_in_it_has_no_detection(
    port: DetectorPort, brightness: ModelPackage
) -> None:
    model = model_ref(brightness)
    found = port.submit(batch_of(model, [0, 204], (0, 1))).result(20.0).found[model]
    assert [len(detections) for detections in found] == [0, 1]


def test_a_model_that_is_not_served_is_named(port: DetectorPort) -> None:
    unknown = ModelRef("unknown", "7", SIZE, ("person",), 0.1)
    result = port.submit(batch_of(unknown, [0], (0,))).result(20.0)
    assert not result.found
    assert "unknown/7" in str(result.failures[unknown])


def test_a_model_that_is_not_served_costs_the_others_nothing(
    port: DetectorPort, brightness: ModelPackage
) -> None:
    model = model_ref(brightness)
    unknown = ModelRef("unknown", "7", SIZE, ("person",), 0.1)
    batch = batch_of(model, [51, 102], (0,))
    result = port.submit(replace(batch, rows={unknown: (1,), model: (0,)})).result(20.0)
    assert list(result.failures) == [unknown]
    assert float(result.found[model][0].scores[0]) == pytest.approx(0.2, abs=1e-3)


def test_another_model_runs_on_images_that_the_detector_has_already(
    port: DetectorPort, brightness: ModelPackage
) -> None:
    model = model_ref(brightness)
    first = port.submit(batch_of(model, [51, 102], (0,)))
    second = first.rerun({model: (1,)})
    assert [len(rows) for rows in first.result(20.0).found.values()] == [1]
    found = second.result(20.0).found[model]
    assert float(found[0].scores[0]) == pytest.approx(0.4, abs=1e-3)


@contextmanager
def replicas_stopped() -> Iterator[None]:
    """No replica of Ray Serve gets processor time; a short run could be ready at once."""
    children = psutil.Process().children(recursive=True)
    replicas = [one for one in children if "ServeReplica:" in " ".join(one.cmdline())]
    for one in replicas:
        one.suspend()
    try:
        yield
    finally:
        for one in replicas:
            one.resume()


def test_what_is_late_is_cancelled_and_named(port: DetectorPort, brightness: ModelPackage) -> None:
    model = model_ref(brightness)
    port.verify(model)
    with replicas_stopped():
        pending = port.submit(batch_of(model, [51] * 64, tuple(range(64))))
        error = pending.result(0.0).failures[model]
    assert error.timed_out
    assert "brightness/1: no result in time" in str(error)
    assert port.submit(batch_of(model, [51], (0,))).result(20.0).found[model], "it goes on"


def test_it_counts_what_was_asked_and_says_where_it_ran(
    port: DetectorPort, brightness: ModelPackage
) -> None:
    model = model_ref(brightness)
    port.submit(batch_of(model, [51, 102, 153], (0, 2))).result(20.0)
    metrics = port.metrics["brightness/1"]
    assert (metrics.requests, metrics.errors, metrics.images) == (1, 0, 2)
    assert metrics.run.total > 0
    assert metrics.queue_ms is not None
    assert (metrics.provider, port.provider(model)) == ("cpu", "cpu")
    unknown = ModelRef("unknown", "7", SIZE, ("person",), 0.1)
    port.submit(batch_of(unknown, [0], (0,))).result(20.0)
    assert port.metrics["unknown/7"].errors == 1
    assert port.provider(unknown) == "unknown"


def test_it_verifies_golden_images(port: DetectorPort, brightness: ModelPackage) -> None:
    assert port.verify(model_ref(brightness)) == ""
    assert "unknown/7" in port.verify(ModelRef("unknown", "7", SIZE, ("person",), 0.1))


def test_a_version_that_was_let_go_comes_back_when_it_is_used(
    port: DetectorPort, brightness: ModelPackage
) -> None:
    model = model_ref(brightness)
    port.submit(batch_of(model, [51], (0,))).result(20.0)
    port.retain(frozenset())
    (found,) = port.submit(batch_of(model, [51], (0,))).result(20.0).found[model]
    assert float(found.scores[0]) == pytest.approx(0.2, abs=1e-3)


def test_results_of_two_in_flight_are_not_mixed_up(
    port: DetectorPort, brightness: ModelPackage
) -> None:
    model = model_ref(brightness)
    first = port.submit(batch_of(model, [51] * 4, (0, 1, 2, 3)))
    second = port.submit(batch_of(model, [204] * 4, (0, 1, 2, 3)))
    late = [float(d.scores[0]) for d in second.result(20.0).found[model]]
    early = [float(d.scores[0]) for d in first.result(20.0).found[model]]
    assert early == pytest.approx([0.2] * 4, abs=1e-3)
    assert late == pytest.approx([0.8] * 4, abs=1e-3)


@pytest.mark.usefixtures("deployed")
def test_a_wrong_shape_comes_back_as_one_sentence(brightness: ModelPackage) -> None:
    model = model_ref(brightness)
    images = np.zeros((1, 10, 10, 3), np.uint8)
    pending = ServeDetector().submit(MicroBatch(images, (make_frame(),), ({},), {model: (0,)}))
    error = pending.result(20.0).failures[model]
    assert re.search(r"brightness.*uint8", str(error))
    assert "\n" not in str(error)


def test_a_version_with_wrong_results_never_gets_a_frame(tmp_path: Path) -> None:
    good, bad = brightness_package(tmp_path / "a"), brightness_package(tmp_path / "b", gain=0.3)
    (bad.directory / "golden.npz").write_bytes((good.directory / "golden.npz").read_bytes())
    manifest = bad.directory / "model.yaml"
    golden = sha256_of(bad.directory / "golden.npz")
    manifest.write_text(re.sub("golden: .*", f"golden: {golden}", manifest.read_text()))
    broken = ModelPackage.load(bad.directory)
    port = InProcessDetector({str(broken): served_model(broken)})
    model = model_ref(broken)
    assert "wrong answers to its golden images" in port.verify(model)
    result = port.submit(batch_of(model, [51], (0,))).result(20.0)
    assert not result.found
    assert "wrong answers to its golden images" in str(result.failures[model])
    port.close()
