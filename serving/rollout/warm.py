"""`WarmVersions`: versions that have just left service run on for a while, for a rollback at once.

One for each model, the one that left last. It costs the memory of one more version, so it ends when
its time is over, or when another version of the model needs the room.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from serving.rollout.rollout import Rollout


@dataclass(frozen=True, slots=True)
class WarmVersion:
    """A version that no camera uses and that runs on.

    Attributes:
        version: Its name.
        until: When it ends, UTC.
    """

    version: str
    until: datetime


class WarmVersions:
    """Which versions run on, and until when. Not safe for use from several threads."""

    def __init__(self, keep_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`keep_s` is for how many seconds a version runs on; 0 keeps none."""
        self._keep_s = keep_s
        self._clock = clock
        self._kept: dict[str, tuple[str, float]] = {}

    def left(self, old: Rollout, new: Rollout) -> None:
        """Takes a change of a table; what served cameras and does not any more runs on."""
        served = [old.stable, old.canary.version if old.canary else ""]
        gone = [version for version in served if version and version not in new.versions]
        if gone and self._keep_s:
            self._kept[old.model] = (gone[0], self._clock() + self._keep_s)

    def end(self, model: str) -> None:
        """Keeps no version of a model any more."""
        self._kept.pop(model, None)

    def keys(self) -> frozenset[str]:
        """Every `name/version` that is to run on."""
        now_s = self._clock()
        self._kept = {name: one for name, one in self._kept.items() if one[1] > now_s}
        return frozenset(f"{name}/{version}" for name, (version, _) in self._kept.items())

    def of(self, model: str) -> WarmVersion | None:
        """The version of a model that runs on."""
        version, until_s = self._kept.get(model, ("", 0.0))
        left_s = until_s - self._clock()
        if left_s <= 0:
            return None
        return WarmVersion(version, datetime.now(UTC) + timedelta(seconds=left_s))
