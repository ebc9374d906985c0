"""Events that have not arrived: asked of the running city, or read from the files of a stopped one.

Both answer with the same facts, ready for JSON.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from cityeye.city_client import CityClient
from cityeye.errors import CommandError

Facts = dict[str, Any]


class Undelivered(Protocol):
    """Where events that have not arrived are known."""

    def pending(self, limit: int) -> Sequence[Facts]:
        """Events that wait for a sink, oldest first."""
        ...

    def dead(self, limit: int) -> Sequence[Facts]:
        """Events that a sink refused for good, oldest first."""
        ...

    def replay(self, event: str | None, sink: str | None) -> int:
        """Has dead letters sent again: all, or of one event or sink; how many there are."""
        ...


class RunningCity:
    """A city that answers."""

    def __init__(self, client: CityClient) -> None:
        self._client = client

    def pending(self, limit: int) -> Sequence[Facts]:
        """See `Undelivered`."""
        answer: list[Facts] = self._client.get("/events/pending", limit=str(limit))
        return answer

    def dead(self, limit: int) -> Sequence[Facts]:
        """See `Undelivered`."""
        answer: list[Facts] = self._client.get("/events/dead", limit=str(limit))
        return answer

    def replay(self, event: str | None, sink: str | None) -> int:
        """See `Undelivered`."""
        wanted = {"event": event, "sink": sink}
        return int(self._client.post("/events/replay", wanted)["replayed"])


class StoppedCity:
    """The outbox files of a city that does not run."""

    def __init__(self, state: Path) -> None:
        """Finds them under the folder `state`.

        Raises:
            CommandError: There are none.
        """
        from serving import OUTBOX_FILE

        self._files = sorted(state.glob(f"*/{OUTBOX_FILE}"))
        if not self._files:
            raise CommandError(
                f"there is no outbox under {state}; name the folder that the city's file has as "
                "`state:`"
            )

    def pending(self, limit: int) -> Sequence[Facts]:
        """See `Undelivered`."""
        found = [one for outbox in self._open() for one in outbox.waiting(limit)]
        return [_facts(one) for one in sorted(found, key=lambda one: one.since)[:limit]]

    def dead(self, limit: int) -> Sequence[Facts]:
        """See `Undelivered`."""
        found = [one for outbox in self._open() for one in outbox.dead.listed(limit)]
        return [_facts(one) for one in sorted(found, key=lambda one: one.at)[:limit]]

    def replay(self, event: str | None, sink: str | None) -> int:
        """See `Undelivered`; they are sent when the city runs again."""
        count: int = sum(outbox.dead.request_replay(event, sink) for outbox in self._open())
        if not count:
            raise CommandError("there is no such dead letter; `cityeye events dead` lists them")
        return count

    def _open(self) -> Iterator[Any]:
        from pipelines import OutboxInUse
        from pipelines.delivery import Deliveries, OutboxFile

        for path in self._files:
            try:
                file = OutboxFile(path, busy_timeout_s=1.0)
            except OutboxInUse:
                raise CommandError(
                    f"{path} is in use: the city runs, so ask it without --state"
                ) from None
            with contextlib.closing(file):
                yield Deliveries(file)


def _facts(one: Any) -> Facts:  # noqa: ANN401 - one of two dataclasses
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in dataclasses.asdict(one).items()
    }
