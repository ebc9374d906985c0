"""Carries events to one sink: per partition in order, each until it is acknowledged.

A failing partition waits by itself; a sink that fails for all of them is probed with one event at
a time, from another partition each time, so that one bad event cannot keep the sink closed.

Nothing is given up because a sink is down, whatever it answers. An event that the sink refuses
while it takes others (`pipelines.delivery.refusals`) is tried once more together with the one
behind it: where that one is accepted, the first becomes a dead letter, and where it is refused too,
both wait. So the order of a partition stays, and a partition that is refused as a whole loses
nothing.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from camera_adapters import BackoffPolicy, Jitter
from pipelines.delivery.deliveries import Deliveries, Held
from pipelines.delivery.refusals import Acceptances, Refusals
from pipelines.delivery.sink_state import SinkWatch
from pipelines.delivery.sinks.sink import Delivery, Sink
from pipelines.errors import SinkError, SinkRefused, SinkUnavailable

log = logging.getLogger(__name__)

BURST = 32
"""Events of one partition before the next one is served."""

MOST_AT_FAULT = 16
"""Events in a row that are tried before one that may be accepted."""


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
        max_refusals: Refusals that put an event at fault, with something else accepted between
            each two of them. With the waits of `backoff` that takes about four minutes.
        breaker_threshold: Failures in a row after which the sink counts as down.
    """

    backoff: BackoffPolicy = field(default_factory=BackoffPolicy)
    max_refusals: int = 10
    breaker_threshold: int = 5


@dataclass(slots=True)
class CourierCounters:
    """What a courier has done since it started."""

    delivered: int = 0
    failed: int = 0
    refused: int = 0
    dead: int = 0


class Courier:
    """Delivers to one sink. Not thread-safe: one thread calls `round`.

    Attributes:
        acceptances: What the sink has accepted, to which others may add.
        watch: How the sink is; may be read by other threads.
    """

    def __init__(
        self,
        sink: Sink,
        deliveries: Deliveries,
        grace_s: float,
        policy: RetryPolicy | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Jitter = random.random,
        utc_s: Callable[[], float] = time.time,
    ) -> None:
        self.sink = sink
        self.counters = CourierCounters()
        self.acceptances = Acceptances()
        self.watch = SinkWatch(monotonic, utc_s)
        self._deliveries = deliveries
        self._grace_s = grace_s
        self._policy = policy or RetryPolicy()
        self._refusals = Refusals(self._policy.max_refusals, self.acceptances)
        self._monotonic = monotonic
        self._jitter = jitter
        self._backoffs: dict[str, Backoff] = {}
        self._served: dict[str, int] = {}
        self._taken: dict[str, tuple[list[tuple[Delivery, str]], Delivery]] = {}
        self._replayed: str | None = None
        self._round = 0
        self._seen = 0
        self._asked_until_s = float("-inf")
        self._breaker = Backoff(self._policy.backoff, jitter, self._policy.breaker_threshold)

    def round(self) -> float | None:
        """Delivers what is due; gives seconds until more is due, None while nothing waits.

        Raises:
            OutboxUnavailable: The outbox cannot be read or written.
        """
        self._reopen()
        waits: list[float] = []
        # Which has waited longest goes first, so that probes go round.
        partitions = self._deliveries.partitions(self.sink.name)
        for partition in sorted(partitions, key=lambda one: self._served.get(one, 0)):
            if closed_s := self._breaker.due_in_s(self._monotonic()):
                return closed_s
            wait_s = self._serve(partition)
            if wait_s is not None:
                waits.append(wait_s)
        if not self._breaker.due_in_s(self._monotonic()) and self._replay():
            return 0.0
        return min(waits, default=None)

    def _reopen(self) -> None:
        """Ends the waiting where a heartbeat shows that the sink is well after all."""
        seen, self._seen = self._seen, self.acceptances.count
        if seen != self._seen and self._monotonic() >= self._asked_until_s:
            self._breaker.succeeded()

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
                return backoff.due_in_s(self._monotonic())
        return 0.0

    def _hand_over(self, delivery: Delivery, backoff: Backoff) -> bool:
        """Tries an event, and the one behind it where it is at fault; whether the cursor moved."""
        refused: list[tuple[Delivery, str]] = []
        one: Delivery | None = delivery
        while one is not None:
            error = self._attempt(one)
            if error is None:
                self._accepted(one, refused, backoff)
                return True
            if not isinstance(error, SinkRefused):
                self._failed(one, backoff, error)
                return False
            self.counters.refused += 1
            if self._refusals.refused(one) and one is delivery:
                self._deliveries.refused(self.sink.name, one)
            if not self._refusals.is_at_fault(one):
                self._failed(one, backoff, error)
                return False
            refused.append((one, str(error)))
            if one is delivery and self._refusals.is_unwanted(one):
                self._give_up(refused)
                backoff.succeeded()
                return True
            is_last = len(refused) == MOST_AT_FAULT
            one = None if is_last else self._deliveries.following(one, self._grace_s)
        self._failed(delivery, backoff, SinkRefused(refused[0][1]))
        return False

    def _attempt(self, delivery: Delivery) -> Exception | None:
        """Hands over one event; gives what was wrong."""
        self.watch.begins()
        try:
            self.sink.deliver(delivery)
        except SinkError as error:
            return error
        except Exception as error:
            # A sink is foreign code; its mistakes must not end the thread that retries it.
            log.exception("relay.sink_failed", extra=self._facts(delivery))
            return error
        finally:
            self.watch.ends()
        return None

    def _accepted(
        self, delivery: Delivery, refused: list[tuple[Delivery, str]], backoff: Backoff
    ) -> None:
        self._refusals.accepted(delivery)
        self.watch.accepted(delivery.partition)
        self.counters.delivered += 1
        self._breaker.succeeded()
        backoff.succeeded()
        self._taken[delivery.partition] = refused, delivery
        self._acknowledge(delivery.partition)

    def _acknowledge(self, partition: str) -> None:
        """Notes what the sink has taken, and gives up what it refused before that.

        While the disk refuses, nothing of it is sent again.

        Raises:
            OutboxUnavailable: The disk refuses.
        """
        if (taken := self._taken.get(partition)) is not None:
            refused, delivery = taken
            self._give_up(refused)
            self._taken[partition] = [], delivery
            self._deliveries.acknowledge(self.sink.name, delivery)
            del self._taken[partition]

    def _failed(self, delivery: Delivery, backoff: Backoff, error: Exception) -> None:
        now_s, at_least_s = self._monotonic(), 0.0
        reason = f"a mistake in the sink ({type(error).__name__}); its log says more"
        if isinstance(error, SinkError):
            reason = str(error)
            facts = self._facts(delivery) | {"error": reason}
            log.warning("relay.not_delivered", extra=facts)
        if isinstance(error, SinkUnavailable):
            at_least_s = error.retry_after_s or 0.0
            self._asked_until_s = max(self._asked_until_s, now_s + at_least_s)
        self.counters.failed += 1
        self.watch.failed(delivery.partition, reason)
        backoff.failed(now_s, at_least_s)
        self._breaker.failed(now_s, at_least_s)

    def _give_up(self, refused: list[tuple[Delivery, str]]) -> None:
        if not refused:
            return
        self._deliveries.bury(self.sink.name, refused)
        for delivery, reason in refused:
            self._refusals.given_up(delivery)
            self.watch.given_up(delivery.partition)
            self.counters.dead += 1
            log.error("relay.dead_letter", extra=self._facts(delivery) | {"error": reason})

    def _replay(self) -> bool:
        """Sends dead letters again that a person asked for; whether there are more of them."""
        self._acknowledge_replay()
        for _ in range(BURST):
            letter = self._deliveries.dead.next_replay(self.sink.name)
            if letter is None:
                return False
            number, delivery = letter
            error = self._attempt(delivery)
            if error is None:
                self._replayed = delivery.event
                self.acceptances.note()
                self.watch.accepted(delivery.partition)
                self.counters.delivered += 1
                self._breaker.succeeded()
                self._acknowledge_replay()
            elif isinstance(error, SinkRefused):
                self.counters.refused += 1
                self.watch.given_up(delivery.partition)
                self._deliveries.dead.refused_again(number, str(error))
            else:
                self._failed(delivery, Backoff(self._policy.backoff, self._jitter), error)
                return False
        return True

    def _acknowledge_replay(self) -> None:
        """Notes a dead letter that the sink has taken; see `_acknowledge`."""
        if self._replayed is not None:
            self._deliveries.dead.acknowledge(self.sink.name, self._replayed)
            self._replayed = None

    def _facts(self, delivery: Delivery) -> dict[str, str]:
        return {
            "sink": self.sink.name,
            "partition": delivery.partition,
            "event": delivery.event,
        }
