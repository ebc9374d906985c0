"""The detector port, contract-tested over Ray Serve and in process: same batch, same answer."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from models.detector import Detector
from models.package import ModelPackage
from pipelines.detector import DetectorPort, MicroBatch
from pipelines.plan import ModelRef
from serving.in_process import InProcessDetector
from serving.launch import deploy
from serving.model_ref import model_ref
from serving.serve_detector import ServeDetector
from serving.served_model import served_model
from tests.pipelines.frames import make_frame
from tests.serving.packages import BOX, SIZE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture(params=[pytest.param("serve", marks=pytest.mark.ray), "in_process"])
def port(request: pytest.FixtureRequest, brightness: ModelPackage) -> Iterator[DetectorPort]:
    if request.param == "serve":
        request.getfixturevalue("running_cluster")
        deploy([served_model(brightness)])
        yield ServeDetector()
    else:
        detector = InProcessDetector({model_ref(brightness): Detector(brightness)})
        yield detector
        detector.close()


def batch_of(model: ModelRef, values: list[int], rows: tuple[int, ...]) -> MicroBatch:
    images = np.stack([np.full((SIZE.height, SIZE.width, 3), v, np.uint8) for v in values])
    frames = tuple(make_frame(f"c{row}", sizes=(SIZE,)) for row in range(len(values)))
    return MicroBatch(images, frames, {model: rows})


def test_every_row_gets_its_own_answer(port: DetectorPort, brightness: ModelPackage) -> None:
    model = model_ref(brightness)
    pending = port.submit(batch_of(model, [51, 102, 153, 204], (0, 1, 2, 3)))
    found = pending.result(20.0).found[model]
    assert [float(d.scores[0]) for d in found] == pytest.approx([0.2, 0.4, 0.6, 0.8], abs=1e-3)
    assert found[0].boxes[0] == pytest.approx(BOX)


def test_only_the_wanted_rows_are_judged(port: DetectorPort, brightness: ModelPackage) -> None:
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
    verdict = port.submit(batch_of(unknown, [0], (0,))).result(20.0)
    assert not verdict.found
    assert "unknown/7" in str(verdict.failures[unknown])


def test_a_model_that_is_not_served_costs_the_others_nothing(
    port: DetectorPort, brightness: ModelPackage
) -> None:
    model = model_ref(brightness)
    unknown = ModelRef("unknown", "7", SIZE, ("person",), 0.1)
    batch = batch_of(model, [51, 102], (0,))
    verdict = port.submit(replace(batch, rows={unknown: (1,), model: (0,)})).result(20.0)
    assert list(verdict.failures) == [unknown]
    assert float(verdict.found[model][0].scores[0]) == pytest.approx(0.2, abs=1e-3)


def test_a_shadow_answers_apart_even_where_its_version_is_in_service_elsewhere(
    port: DetectorPort, brightness: ModelPackage
) -> None:
    model = model_ref(brightness)
    pending = port.submit(replace(batch_of(model, [51, 102], (0,)), shadows={model: (1,)}))
    assert [len(rows) for rows in pending.result(20.0).found.values()] == [1]
    deadline_s = time.monotonic() + 20.0
    while (shadow := pending.shadow_result()) is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.005)
    assert float(shadow.found[model][0].scores[0]) == pytest.approx(0.4, abs=1e-3)


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


@pytest.mark.usefixtures("running_cluster")
def test_a_wrong_shape_comes_back_as_one_sentence(brightness: ModelPackage) -> None:
    deploy([served_model(brightness)])
    model = model_ref(brightness)
    images = np.zeros((1, 10, 10, 3), np.uint8)
    pending = ServeDetector().submit(MicroBatch(images, (make_frame(),), {model: (0,)}))
    error = pending.result(20.0).failures[model]
    assert re.search(r"brightness.*uint8", str(error))
    assert "\n" not in str(error)
