"""Slows the control loop of Ray Serve's controller down while there is nothing to control.

The loop runs ten times a second, and each run asks Ray for all nodes and all applications. Serve
2.60 has one interval for all times, so a longer one would make every start slower. Here it follows
what the loop finds: short while applications change, long once they do not. Calls to the controller
and its health checks of replicas are not part of the loop's pace: the latter are ten seconds apart.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ray.serve._private import controller
from ray.serve._private.application_state import ApplicationStateManager
from ray.serve.schema import ApplicationStatus

SETTLED_INTERVAL_S = 1.0
"""How much later than without it a change that comes to settled applications may begin."""

SETTLED_AFTER_S = 5.0
"""How long no application has changed before the loop slows down; proxies come a little later."""

SETTLED = frozenset({ApplicationStatus.RUNNING, ApplicationStatus.DEPLOY_FAILED})
"""Serve leaves an application in these states as it is; an unhealthy one it repairs."""


class Pace:
    """The interval that suits the newest state of all applications."""

    def __init__(self, quick_s: float) -> None:
        """`quick_s` is the interval while something changes."""
        self._quick_s = quick_s
        self._unsettled_s = float("-inf")

    def interval_s(self, statuses: Iterable[ApplicationStatus], now_s: float) -> float:
        """Seconds to the next run of the loop that found `statuses` at `now_s`."""
        found = tuple(statuses)
        if not found or not SETTLED.issuperset(found):
            self._unsettled_s = now_s
        settled = now_s - self._unsettled_s >= SETTLED_AFTER_S
        return max(self._quick_s, SETTLED_INTERVAL_S) if settled else self._quick_s


def pace_controller() -> None:
    """Makes the control loop of this process follow a `Pace`."""
    module: Any = controller
    manager: Any = ApplicationStateManager
    pace = Pace(module.CONTROL_LOOP_INTERVAL_S)
    update = manager.update

    def paced_update(self: Any) -> None:  # noqa: ANN401 - Serve's class
        update(self)
        statuses = (app.status for app in self._application_states.values())
        module.CONTROL_LOOP_INTERVAL_S = pace.interval_s(statuses, time.monotonic())

    manager.update = paced_update
