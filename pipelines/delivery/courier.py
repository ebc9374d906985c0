"""Carries events to one sink: per partition in order, each until it is acknowledged.

A failing partition waits by itself; a sink that fails for all of them is probed with one event at
a time, from another partition each time, so that one bad event cannot keep the sink closed.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from camera_adapters import BackoffPolicy, Jitter
from pipelines.delivery.event_log import Deliveries, Held
from pipelines.delivery.sinks.sink import Delivery, Sink
from pipelines.errors import SinkGone, SinkRefused, SinkUnavailable

log = logging.getLogger(__name__)

BURST = 32
"""Events of one partition before the next one is served."""


class Backoff:
    """Failures in a row of one thing, and when it is due again."""

    def __init__(
        self, policy: BackoffPolicy, jitter: Jitter = random.random, threshold: int = 1
    ) -> None:
        """Starts without failures.

        Args:
            policy: How waits grow.
            jitter: Varies waits.
            threshold: Failures in a row from which there is a wait; then one try at a time is due.
        """
        self._policy = policy
        self._jitter = jitter
        self._threshold = threshold
        self.succeeded()

    def due_in_s(self, now_s: float) -> float:
        """Seconds until the next try is due; 0 when it is."""
        return max(0.0, self._due_s - now_s)

    def failed(self, now_s: float, at_least_s: float = 0.0) -> None:
        """Counts a failure and postpones the next try.

        Args:
            now_s: Monotonic seconds.
            at_least_s: A wait that the other side asked for, seconds; it counts at once.
        """
        self._failures += 1
        if self._failures >= self._threshold or at_least_s > 0:
            self._waits += 1
            wait_s = max(at_least_s, self._policy.wait_s(self._waits, self._jitter))
            self._due_s = now_s + wait_s

    def succeeded(self) -> None:
        """Forgets all failures."""
        self._failures = self._waits = 0
        self._due_s = float("-inf")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How failure is treated.

    Attributes:
        backoff: Waits after failures.
        max_refusals: Permanent refusals after which an event becomes a dead letter.
        breaker_threshold: Failures in a row after which the sink counts as down.
    """

    backoff: BackoffPolicy = field(default_factory=BackoffPolicy)
    max_refusals: int = 3
    breaker_threshold: int = 5


@dataclass(slots=True)
class CourierCounters:
    """What a courier has done since it started."""

    delivered: int = 0
    failed: int = 0
    refused: int = 0
    dead: int = 0
    gone: bool = False


class Courier:
    """Delivers to one sink. Not thread-safe: one thread calls `round`."""

    def __init__(
        self,
        sink: Sink,
        deliveries: Deliveries,
        grace_s: float,
        policy: RetryPolicy | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Jitter = random.random,
    ) -> None:
        self.sink = sink
        self.counters = CourierCounters()
        self._deliveries = deliveries
        self._grace_s = grace_s
        self._policy = policy or RetryPolicy()
        self._monotonic = monotonic
        self._jitter = jitter
        self._backoffs: dict[str, Backoff] = {}
        self._served: dict[str, int] = {}
        self._taken: dict[str, Delivery] = {}
        self._round = 0
        self._breaker = Backoff(self._policy.backoff, jitter, self._policy.breaker_threshold)

    def round(self) -> float | None:
        """Delivers what is due; gives seconds until more is due, None while nothing waits.

        Raises:
            OutboxUnavailable: The outbox cannot be read or written.
        """
        waits: list[float] = []
        # Which has waited longest goes first, so that probes go round.
        partitions = self._deliveries.partitions(self.sink.name)
        for partition in sorted(partitions, key=lambda one: self._served.get(one, 0)):
            if self.counters.gone:
                return None
            if closed_s := self._breaker.due_in_s(self._monotonic()):
                return closed_s
            wait_s = self._serve(partition)
            if wait_s is not None:
                waits.append(wait_s)
        return min(waits, default=None)

    def _serve(self, partition: str) -> float | None:
        backoff = self._backoffs.setdefault(partition, Backoff(self._policy.backoff, self._jitter))
        if wait_s := backoff.due_in_s(self._monotonic()):
            return wait_s
        self._round += 1
        self._served[partition] = self._round
        self._acknowledge(partition)
        for _ in range(BURST):
            delivery = self._deliveries.next(self.sink.name, partition, self._grace_s)
            if delivery is None:
                return None
            if isinstance(delivery, Held):
                return delivery.seconds
            if not self._hand_over(delivery, backoff):
                return None if self.counters.gone else backoff.due_in_s(self._monotonic())
        return 0.0

    def _hand_over(self, delivery: Delivery, backoff: Backoff) -> bool:
        facts = {
            "sink": self.sink.name,
            "partition": delivery.partition,
            "event": delivery.event,
        }
        try:
            self.sink.deliver(delivery)
        except SinkUnavailable as error:
            self._failed(backoff, error.retry_after_s or 0.0)
            log.warning("relay.sink_unavailable", extra=facts | {"error": str(error)})
            return False
        except SinkGone as error:
            self.counters.gone = True
            self._deliveries.disable(self.sink.name)
            log.error("relay.sink_gone", extra=facts | {"error": str(error)})
            return False
        except SinkRefused as error:
            return self._refused(delivery, backoff, error, facts)
        except Exception:
            # A sink is foreign code; its mistakes must not end the thread that retries it.
            self._failed(backoff, 0.0)
            log.exception("relay.sink_failed", extra=facts)
            return False
        self.counters.delivered += 1
        self._breaker.succeeded()
        backoff.succeeded()
        self._taken[delivery.partition] = delivery
        self._acknowledge(delivery.partition)
        return True

    def _acknowledge(self, partition: str) -> None:
        """Notes what the sink has taken; while the disk refuses, it is not sent again.

        Raises:
            OutboxUnavailable: The disk refuses.
        """
        if (taken := self._taken.get(partition)) is not None:
            self._deliveries.acknowledge(self.sink.name, taken)
            del self._taken[partition]

    def _failed(self, backoff: Backoff, at_least_s: float) -> None:
        now_s = self._monotonic()
        self.counters.failed += 1
        backoff.failed(now_s, at_least_s)
        self._breaker.failed(now_s, at_least_s)

    def _refused(
        self, delivery: Delivery, backoff: Backoff, error: SinkRefused, facts: dict[str, str]
    ) -> bool:
        self.counters.refused += 1
        self._breaker.succeeded()
        if delivery.refusals + 1 >= self._policy.max_refusals:
            self._deliveries.bury(self.sink.name, delivery, str(error))
            self.counters.dead += 1
            backoff.succeeded()
            log.error("relay.dead_letter", extra=facts | {"error": str(error)})
            return True
        self._deliveries.refused(self.sink.name, delivery)
        backoff.failed(self._monotonic())
        log.warning("relay.sink_refused", extra=facts | {"error": str(error)})
        return False
