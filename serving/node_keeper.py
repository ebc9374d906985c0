"""`NodeKeeper`: looks after what workers have left on a machine, and is its sign of life.

One runs on each machine of the cluster that may watch cameras, beside that of the director, which
does the same for its own. When a machine comes back whose cameras have gone to another one, what
its workers did not deliver is delivered from there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from pipelines import CoveredPeriod
from pipelines.delivery import DeadLetter, PendingEvent, make_folder
from serving.city_plan import CityPlan
from serving.left_over import LeftOverOutboxes

LOG_FILE = "keeper.log"


class NodeKeeper:
    """Runs as a Ray actor of the director; a plain class, so that it is tested without Ray."""

    def __init__(self, plan: CityPlan, workers: Collection[str]) -> None:
        """Begins with the outboxes on this machine that belong to none of `workers`."""
        delivery = plan.delivery.on_this_node()
        make_folder(delivery.state)
        plan.log_to(delivery.state / LOG_FILE)
        self._left_over = LeftOverOutboxes(delivery, plan.city, workers)
        self._left_over.start()

    def adopt(self, worker: str) -> None:
        """See `LeftOverOutboxes.adopt`."""
        self._left_over.adopt(worker)

    def release(self, worker: str) -> None:
        """See `LeftOverOutboxes.release`."""
        self._left_over.release(worker)

    def notes(self) -> Mapping[str, str]:
        """See `LeftOverOutboxes.notes`."""
        return self._left_over.notes()

    def pending_events(self, limit: int) -> Sequence[PendingEvent]:
        """See `LeftOverOutboxes.pending_events`."""
        return self._left_over.pending_events(limit)

    def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """See `LeftOverOutboxes.dead_letters`."""
        return self._left_over.dead_letters(limit)

    def coverage(
        self, since: datetime, until: datetime, camera: str | None
    ) -> Sequence[CoveredPeriod]:
        """See `LeftOverOutboxes.coverage`."""
        return self._left_over.coverage(since, until, camera)

    def replay_dead(self, event: str | None, sink: str | None) -> int:
        """See `LeftOverOutboxes.replay_dead`."""
        return self._left_over.replay_dead(event, sink)
