"""What deliveries have to know and to write anew each time the outbox file has been opened."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from pipelines.delivery.outbox_file import OutboxFile
from pipelines.errors import OutboxUnavailable


class Registration:
    """The sinks that there are, and since when events wait that were in the file already."""

    def __init__(self, file: OutboxFile, monotonic: Callable[[], float]) -> None:
        self._file = file
        self._monotonic = monotonic
        self._sinks: tuple[str, ...] | None = None
        self._written_in = 0
        self._known_in = 0
        self._restored_up_to = 0
        self._restored_s = 0.0
        self._renew()

    def register(self, sinks: Sequence[str]) -> None:
        """Says which sinks there are; written later where the disk does not take it now."""
        self._sinks = tuple(sinks)
        self._written_in = 0
        self._renew()

    def renew(self) -> None:
        """Does what is due after an opening.

        Raises:
            OutboxUnavailable: The outbox cannot be read or written.
        """
        openings = self._file.openings
        if self._known_in != openings:
            with self._file.transaction() as db:
                row = db.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()
            self._restored_up_to, self._restored_s = row[0], self._monotonic()
            self._known_in = openings
        if self._sinks is None or self._written_in == openings:
            return
        marks = ",".join("?" * len(self._sinks))
        with self._file.transaction() as db:
            for table, column in (("sink", "name"), ("progress", "sink")):
                db.execute(f"DELETE FROM {table} WHERE {column} NOT IN ({marks})", self._sinks)  # noqa: S608
            db.executemany(
                "INSERT OR IGNORE INTO sink VALUES (?)", [(name,) for name in self._sinks]
            )
        self._written_in = openings

    def since_s(self, seq: int, committed_s: float) -> float:
        """Since when an event waits, in monotonic seconds.

        Those do not survive a restart: what was found in the file waits from its opening on.
        """
        return self._restored_s if seq <= self._restored_up_to else committed_s

    def _renew(self) -> None:
        with contextlib.suppress(OutboxUnavailable):
            self.renew()
