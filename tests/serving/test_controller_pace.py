"""The control loop of Serve is slow only while nothing changes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ray.serve._private import controller
from ray.serve._private.application_state import ApplicationStateManager
from ray.serve.schema import ApplicationStatus

from serving.controller_pace import (
    SETTLED_AFTER_S,
    SETTLED_INTERVAL_S,
    Pace,
    pace_controller,
)

QUICK_S = 0.1
RUNNING = ApplicationStatus.RUNNING
FAILED = ApplicationStatus.DEPLOY_FAILED


def test_the_loop_is_quick_before_there_is_an_application() -> None:
    pace = Pace(QUICK_S)
    assert pace.interval_s([], 0.0) == QUICK_S
    assert pace.interval_s([], SETTLED_AFTER_S * 10) == QUICK_S


@pytest.mark.parametrize("statuses", [[RUNNING], [RUNNING, RUNNING], [RUNNING, FAILED]])
def test_the_loop_slows_down_once_nothing_changes(statuses: list[ApplicationStatus]) -> None:
    pace = Pace(QUICK_S)
    assert pace.interval_s([ApplicationStatus.DEPLOYING], 10.0) == QUICK_S
    assert pace.interval_s(statuses, 10.1) == QUICK_S, "replicas and proxies are not there yet"
    assert pace.interval_s(statuses, 10.0 + SETTLED_AFTER_S) == SETTLED_INTERVAL_S


@pytest.mark.parametrize(
    "status", [status for status in ApplicationStatus if status not in (RUNNING, FAILED)]
)
def test_every_change_makes_it_quick_at_once(status: ApplicationStatus) -> None:
    pace = Pace(QUICK_S)
    pace.interval_s([ApplicationStatus.DEPLOYING], 0.0)
    assert pace.interval_s([RUNNING], SETTLED_AFTER_S) == SETTLED_INTERVAL_S
    assert pace.interval_s([RUNNING, status], SETTLED_AFTER_S + 1) == QUICK_S
    assert pace.interval_s([RUNNING], SETTLED_AFTER_S + 2) == QUICK_S


def test_an_interval_that_is_longer_already_stays() -> None:
    pace = Pace(5.0)
    pace.interval_s([], 0.0)
    assert pace.interval_s([RUNNING], SETTLED_AFTER_S) == 5.0


def test_the_controller_follows_its_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    updated: list[object] = []
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr("serving.controller_pace.time", clock)
    monkeypatch.setattr(controller, "CONTROL_LOOP_INTERVAL_S", QUICK_S)
    monkeypatch.setattr(ApplicationStateManager, "update", updated.append)
    pace_controller()
    app = SimpleNamespace(status=ApplicationStatus.DEPLOYING)
    manager: Any = SimpleNamespace(_application_states={"api": app})
    ApplicationStateManager.update(manager)
    app.status = RUNNING
    clock.monotonic = lambda: SETTLED_AFTER_S
    ApplicationStateManager.update(manager)
    assert vars(controller)["CONTROL_LOOP_INTERVAL_S"] == SETTLED_INTERVAL_S
    assert updated == [manager, manager], "Serve's own update is still done"
