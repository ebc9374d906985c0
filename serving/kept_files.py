"""`KeptFiles`: the files in a worker's folder that are kept for people, within their limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pipelines.delivery import Kept, Retention, keep_files
from serving.city_plan import COMPARISONS_FOLDER, LOG_FILE, OUTBOX_FILE

EVERY_S: Final = 60.0


class KeptFiles:
    """Logs that are not written any more, comparisons, and outboxes that were set aside."""

    def __init__(self, worker: str, folder: Path, retention: Retention) -> None:
        """Nothing is deleted before the first `step`."""
        self._kinds: tuple[tuple[Callable[[], Iterator[Path]], Kept], ...] = (
            (lambda: folder.glob(f"{LOG_FILE}.*"), Kept(f"{worker} logs", retention.logs)),
            (
                lambda: _files_below(folder / COMPARISONS_FOLDER),
                Kept(f"{worker} comparisons", retention.comparisons),
            ),
            (
                lambda: _files_of(folder, f"{OUTBOX_FILE}.damaged-*"),
                Kept(f"{worker} damaged outboxes", retention.damaged),
            ),
        )
        self.kept = tuple(kept for _, kept in self._kinds)
        self._due_s = float("-inf")

    def step(self) -> None:
        """Deletes what is beyond a limit, if a look is due."""
        if time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + EVERY_S
        now_s = time.time()
        self.kept = tuple(
            keep_files(before.name, files(), before.limit, now_s, before)
            for (files, _), before in zip(self._kinds, self.kept, strict=True)
        )


def _files_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _files_of(folder: Path, pattern: str) -> Iterator[Path]:
    return (path for path in folder.glob(pattern) if path.is_file())
