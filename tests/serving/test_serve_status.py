"""States of versions while Serve's controller does not answer: nobody waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray import serve
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview, ServeStatus

from serving.launch import STATUS_TIMEOUT_S, UNKNOWN, RayServeDetectors
from serving.serve_detector import application_name
from serving.served_models import ServedModel, served_model
from tests.serving.packages import brightness_package


class SilentController:
    """Serve whose controller is away until `back` is set."""

    def __init__(self) -> None:
        self.back = threading.Event()
        self.asked = 0
        self.answer = ServeStatus()
        self.fails = False

    def status(self) -> ServeStatus:
        self.asked += 1
        self.back.wait(60.0)
        if self.fails:
            raise RayServeException("there is no Serve")
        return self.answer


@pytest.fixture
def controller(monkeypatch: pytest.MonkeyPatch) -> Iterator[SilentController]:
    one = SilentController()
    monkeypatch.setattr(serve, "status", one.status)
    yield one
    one.back.set()


@pytest.fixture
def model(tmp_path: Path) -> ServedModel:
    return served_model(brightness_package(tmp_path))


def test_a_controller_that_is_away_makes_nobody_wait(
    controller: SilentController, model: ServedModel
) -> None:
    detectors = RayServeDetectors()
    for limit_s in (STATUS_TIMEOUT_S + 1.0, 0.5):
        began_s = time.monotonic()
        (state,) = detectors.states([model], {}, {})
        assert time.monotonic() - began_s < limit_s
        assert (state.status, state.application) == (UNKNOWN, application_name(model.ref))
    assert controller.asked == 1
    controller.answer = ServeStatus(
        applications={
            application_name(model.ref): ApplicationStatusOverview(
                status=ApplicationStatus.DEPLOYING,
                message="",
                last_deployed_time_s=0.0,
                deployments={},
            )
        }
    )
    controller.back.set()
    deadline_s = time.monotonic() + 5.0
    while (state := detectors.states([model], {}, {})[0]).status == UNKNOWN:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    assert state.status == "DEPLOYING"


def test_an_error_is_one_and_the_next_question_is_asked(
    controller: SilentController, model: ServedModel
) -> None:
    detectors = RayServeDetectors()
    controller.fails = True
    controller.back.set()
    for _ in range(2):
        with pytest.raises(RayServeException):
            detectors.states([model], {}, {})
    assert controller.asked == 2
