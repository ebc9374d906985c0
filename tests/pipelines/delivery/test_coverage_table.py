"""The coverage ledger in the outbox: a crash credits nothing, and no period is said twice."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.coverage import CoveredPeriod, coverage_of
from pipelines.delivery.coverage_table import ROW_BYTES
from pipelines.delivery.event_log import OutboxLimits
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.salvage.rebuild import rebuild
from pipelines.publication import REMOVED
from tests.pipelines.delivery.outboxes import OPENED, Edge, camera, offline
from tests.pipelines.delivery.test_outbox import SINK, drain

TASKS = {"gate": ["traffic"]}
MINUTE = timedelta(minutes=1)


def period(minute: int, seconds: float = 60.0, task: str = "traffic") -> CoveredPeriod:
    begins_at = OPENED + minute * MINUTE
    seen = coverage_of({"": seconds - 2.0, "offline": 2.0})
    return CoveredPeriod("gate", task, begins_at, begins_at + timedelta(seconds=seconds), seen)


def started(folder: Path) -> Edge:
    edge = Edge(folder)
    edge.outbox.deliveries.register([SINK])
    return edge


def measured(edge: Edge) -> list[dict[str, Any]]:
    return [one["data"] for one in drain(edge) if one["type"] == "cityeye.measurement"]


def kept(edge: Edge) -> list[CoveredPeriod]:
    return edge.outbox.coverage.read(OPENED - 99 * MINUTE, OPENED + 99 * MINUTE, None)


def test_a_period_is_a_row_and_an_event_and_saying_it_again_changes_nothing(tmp_path: Path) -> None:
    edge = started(tmp_path)
    edge.recorder.save_coverage([period(0, 30.0)])
    for _ in range(2):
        edge.recorder.publish_coverage(period(0), camera())
    # What was saved late of a period that is over does not undo it.
    edge.recorder.save_coverage([period(0, 30.0)])
    assert kept(edge) == [period(0)]
    (said,) = measured(edge)
    assert (said["kind"], said["value"], said["unit"], said["task"]) == (
        "coverage",
        58.0,
        "s",
        "traffic",
    )
    assert said["coverage"]["gaps"] == {"offline": 2.0}
    assert (said["model"], said["rule"]) == (None, None)
    edge.close()


def test_what_a_crash_left_is_published_and_the_time_until_now_was_not_watched(
    tmp_path: Path,
) -> None:
    edge = started(tmp_path)
    edge.recorder.publish_state(offline(), camera())
    edge.recorder.publish_coverage(period(0), camera())
    edge.recorder.save_coverage([period(1, 30.0)])
    edge.close()

    again = started(tmp_path)
    counting_since = {"gate": OPENED + 5 * MINUTE}
    again.recorder.recover_coverage(TASKS, counting_since)
    again.recorder.recover_coverage(TASKS, counting_since)
    first, left, gap = measured(again)
    assert left["coverage"]["able_s"] == 28.0, "and not a second more"
    assert (gap["value"], gap["coverage"]["gaps"]) == (0.0, {"worker_down": 210.0})
    assert (first["ends_at"], left["ends_at"]) == (left["begins_at"], gap["begins_at"])
    assert gap["camera"]["name"] == camera().name
    assert sum(one.coverage.requested_s for one in kept(again)) == 300.0
    again.close()


@pytest.mark.parametrize(
    ("reason", "gaps"),
    [("CityEye was stopped", [{"stopped": 240.0}]), (REMOVED, [])],
)
def test_what_was_stopped_on_purpose_is_said_and_what_was_removed_was_not_asked_for(
    tmp_path: Path, reason: str, gaps: list[dict[str, float]]
) -> None:
    edge = started(tmp_path)
    edge.recorder.publish_coverage(period(0), camera())
    edge.recorder.publish_stopped(camera(), reason)
    edge.close()
    again = started(tmp_path)
    again.recorder.recover_coverage(TASKS, {"gate": OPENED + 5 * MINUTE})
    assert [one["coverage"]["gaps"] for one in measured(again)][1:] == gaps
    again.close()


def test_a_task_that_is_not_configured_any_more_gets_no_gap(tmp_path: Path) -> None:
    edge = started(tmp_path)
    edge.recorder.publish_coverage(period(0, task="crowding"), camera())
    edge.recorder.recover_coverage(TASKS, {"gate": OPENED + 5 * MINUTE})
    assert len(measured(edge)) == 1
    edge.close()


def test_the_ledger_keeps_what_the_limits_say_and_the_newest_longest(tmp_path: Path) -> None:
    edge = started(tmp_path)
    for minute in range(20):
        edge.recorder.publish_coverage(period(minute), camera())
    table = edge.outbox.coverage
    assert table.usage() == (20 * ROW_BYTES, OPENED + MINUTE)
    before_s = (OPENED + 5 * MINUTE).timestamp()
    assert table.prune(before_s, float("inf")) == 4
    assert table.prune(0.0, 10 * ROW_BYTES) == 6
    assert kept(edge) == [period(minute) for minute in range(10, 20)]
    assert edge.outbox.coverage.read(OPENED, OPENED + 99 * MINUTE, "yard") == []
    edge.close()


def test_a_period_that_the_outbox_has_no_room_for_is_kept_in_the_ledger(tmp_path: Path) -> None:
    edge = Edge(tmp_path, Outbox(tmp_path / "outbox.db", OutboxLimits(max_events=1)))
    edge.outbox.deliveries.register([SINK])
    edge.recorder.publish_state(offline(), camera())
    edge.recorder.publish_coverage(period(0), camera())
    assert edge.outbox.counters.shed == 1
    assert measured(edge) == []
    assert kept(edge) == [period(0)]
    edge.close()


def test_the_ledger_outlives_damage_of_the_file(tmp_path: Path) -> None:
    edge = started(tmp_path)
    for minute in range(30):
        edge.recorder.publish_coverage(period(minute), camera())
    edge.recorder.save_coverage([period(30, 20.0), period(30, 10.0, "crowding")])
    before = kept(edge)
    edge.close()
    assert rebuild(tmp_path / "outbox.db", tmp_path / "new.db", time.time).events == 30
    saved = Outbox(tmp_path / "new.db")
    assert saved.coverage.read(OPENED, OPENED + 99 * MINUTE, None) == before
    assert len(saved.coverage.unpublished(OPENED + 99 * MINUTE)) == 2
    saved.close()
