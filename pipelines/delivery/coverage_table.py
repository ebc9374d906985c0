"""The coverage ledger inside the outbox: a row for each camera, task and period.

A period that is over is written with its event, in one transaction. One that is not is written as
far as it is known, so that after a crash nothing is credited that was not watched, and what was is
published by the next start.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from pipelines.coverage import COVERAGE, Coverage, CoveredPeriod, coverage_of
from pipelines.delivery.outbox_file import OutboxFile
from pipelines.event import MeasurementData

ROW_BYTES: Final = 200
"""About what a row and its place in the indexes take."""

PRUNED_AT_ONCE: Final = 1000
Columns = tuple[str, str, float, float, float, str]


class CoverageTable:
    """What became of the time of every task, as far back as it is kept."""

    def __init__(self, file: OutboxFile) -> None:
        self._file = file

    def save(self, periods: Sequence[CoveredPeriod]) -> None:
        """Writes what is known of periods that are not over.

        Raises:
            OutboxUnavailable: The disk does not take it.
        """
        rows = [(*_columns(one), 0) for one in periods]
        with self._file.transaction() as db:
            db.executemany(
                "INSERT INTO coverage VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " ends_at = excluded.ends_at, able_s = excluded.able_s, gaps = excluded.gaps"
                " WHERE NOT published",
                rows,
            )

    def unpublished(self, before: datetime) -> list[CoveredPeriod]:
        """Periods that were saved, began before a time and were never published, oldest first.

        Raises:
            OutboxUnavailable: The disk does not answer.
        """
        with self._file.transaction() as db:
            rows = db.execute(
                f"{_SELECT} WHERE NOT published AND begins_at < ? ORDER BY begins_at",
                (before.timestamp(),),
            ).fetchall()
        return _periods(rows)

    def ends(self, before: datetime) -> dict[tuple[str, str], datetime]:
        """Up to when it was known before a time what became of each camera and task, UTC.

        Raises:
            OutboxUnavailable: The disk does not answer.
        """
        with self._file.transaction() as db:
            rows = db.execute(
                "SELECT camera, task, max(ends_at) FROM coverage WHERE begins_at < ?"
                " GROUP BY camera, task",
                (before.timestamp(),),
            ).fetchall()
        return {(camera, task): _moment(ends_s) for camera, task, ends_s in rows}

    def read(self, since: datetime, until: datetime, camera: str | None) -> list[CoveredPeriod]:
        """The periods that touch a time, oldest first; of one camera, or of all.

        Raises:
            OutboxUnavailable: The disk does not answer.
        """
        with self._file.transaction() as db:
            rows = db.execute(
                f"{_SELECT} WHERE ends_at > ? AND begins_at < ? AND (? IS NULL OR camera = ?)"
                " ORDER BY begins_at, camera, task",
                (since.timestamp(), until.timestamp(), camera, camera),
            ).fetchall()
        return _periods(rows)

    def usage(self) -> tuple[int, datetime | None]:
        """About how many bytes it takes, and when the oldest period ended, UTC.

        Raises:
            OutboxUnavailable: The disk does not answer.
        """
        with self._file.transaction() as db:
            count, oldest_s = db.execute("SELECT count(*), min(ends_at) FROM coverage").fetchone()
        return count * ROW_BYTES, None if oldest_s is None else _moment(oldest_s)

    def prune(self, before_s: float, max_bytes: float) -> int:
        """Deletes what is older or more, the oldest first, in small steps.

        Args:
            before_s: What ended before this UTC time, in seconds.
            max_bytes: About how much may stay.

        Returns:
            How many rows were deleted.

        Raises:
            OutboxUnavailable: The disk does not take it.
        """
        with self._file.transaction() as db:
            (count,) = db.execute("SELECT count(*) FROM coverage").fetchone()
            excess = max(0.0, count - max_bytes / ROW_BYTES)
            oldest = "SELECT camera, task, begins_at FROM coverage {} ORDER BY ends_at LIMIT ?"
            deleted = 0
            for where, values in (
                ("WHERE ends_at < ?", (before_s, PRUNED_AT_ONCE)),
                ("", (min(int(excess), PRUNED_AT_ONCE),)),
            ):
                deleted += db.execute(
                    f"DELETE FROM coverage WHERE (camera, task, begins_at) IN"  # noqa: S608
                    f" ({oldest.format(where)})",
                    values,
                ).rowcount
        return deleted


def keep_coverage(db: sqlite3.Connection, measured: MeasurementData) -> None:
    """Writes the row of a period that is published, in the transaction that records its event."""
    if measured.kind != COVERAGE:
        return
    said = measured.coverage
    period = CoveredPeriod(
        measured.camera.id,
        measured.task,
        measured.begins_at,
        measured.ends_at,
        Coverage(said.requested_s, said.watched_s, said.able_s, said.gaps),
    )
    db.execute("INSERT OR REPLACE INTO coverage VALUES (?, ?, ?, ?, ?, ?, 1)", _columns(period))


_SELECT: Final = "SELECT camera, task, begins_at, ends_at, able_s, gaps FROM coverage"


def _columns(period: CoveredPeriod) -> Columns:
    coverage = period.coverage
    gaps = json.dumps(dict(coverage.gaps), separators=(",", ":"))
    times_s = (period.begins_at.timestamp(), period.ends_at.timestamp())
    return (period.camera, period.task, *times_s, coverage.able_s, gaps)


def _periods(rows: Iterable[Columns]) -> list[CoveredPeriod]:
    return [
        CoveredPeriod(
            camera,
            task,
            _moment(begins_s),
            _moment(ends_s),
            coverage_of({"": able_s, **json.loads(gaps)}),
        )
        for camera, task, begins_s, ends_s, able_s, gaps in rows
    ]


def _moment(utc_s: float) -> datetime:
    return datetime.fromtimestamp(utc_s, UTC)
