"""Coverage: only time between analysed frames counts, and every second that is missing is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.coverage import Coverage, CoveredPeriod, total_coverage
from pipelines.coverage_ledger import SETTLE_S, CameraCondition, CoverageLedger
from pipelines.rules import RulePlan, longest_gap_s

MINUTE = datetime(2026, 3, 4, 5, 6, 0, tzinfo=UTC)
TOLERANCE_S = 2.5
WELL = CameraCondition()


@dataclass
class Watched:
    """A camera whose clock is moved by hand, with one task."""

    began: datetime = MINUTE
    now_s: float = 1000.0
    set_by_s: float = 0.0
    condition: CameraCondition = WELL
    asked: dict[str, int] = field(init=False)
    ledger: CoverageLedger = field(init=False)
    periods: list[CoveredPeriod] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start_s = self.now_s
        self.ledger = CoverageLedger(
            "gate",
            {"traffic": TOLERANCE_S},
            60.0,
            monotonic=lambda: self.now_s,
            utc_now=lambda: self.began + timedelta(seconds=self.passed_s + self.set_by_s),
        )
        self.asked = self.ledger.asked = {"traffic": 0}

    @property
    def passed_s(self) -> float:
        return self.now_s - self.start_s

    def second(self, view: str | None = "", frames: int = 5) -> None:
        """A second goes by, with frames that are analysed unless `view` is None."""
        for _ in range(frames):
            self.now_s += 1 / frames
            self.asked["traffic"] += 1
            if view is not None:
                self.ledger.analysed(["traffic"], self.now_s, view)
        if not frames:
            self.now_s += 1
        self.check()

    def check(self) -> None:
        self.ledger.check(self.condition)
        self.periods += self.ledger.finished()

    def watch(self, seconds: int, view: str = "") -> None:
        for _ in range(seconds):
            self.second(view)

    def idle(self, seconds: int) -> None:
        for _ in range(seconds):
            self.second(None, frames=0)

    def end(self, reason: str = "stopped") -> Coverage:
        """Ends the counting; the whole of it."""
        self.periods += self.ledger.close(reason)
        return total_coverage([one.coverage for one in self.periods])


def shown(coverage: Coverage) -> tuple[Any, Any, Any]:
    return coverage.requested_s, coverage.watched_s, coverage.able_s


def test_what_lies_between_frames_was_watched_and_nothing_before_the_first() -> None:
    camera = Watched()
    camera.watch(10)
    coverage = camera.end()
    assert shown(coverage) == (10.0, pytest.approx(9.8), pytest.approx(9.8))
    assert coverage.gaps == {"connecting": 0.2}


@pytest.mark.parametrize("outage", ["offline", "unauthorized"])
def test_an_outage_is_a_gap_from_the_last_frame_on(outage: str) -> None:
    camera = Watched()
    camera.watch(5)
    camera.condition = CameraCondition(outage)
    camera.idle(20)
    camera.condition = WELL
    camera.watch(5)
    coverage = camera.end()
    # The frame that comes back proves nothing of the time before it.
    gaps = dict(coverage.gaps)
    assert gaps.pop(outage) == pytest.approx(20.2)
    assert sum(gaps.values()) == pytest.approx(0.2)
    assert coverage.requested_s == pytest.approx(30.0)


def test_a_stalled_stream_is_no_frames_and_one_that_nobody_infers_is_overload() -> None:
    camera = Watched()
    camera.watch(2)
    camera.idle(8)
    camera.watch(2)
    for _ in range(8):
        camera.second(None)
    camera.watch(1)
    gaps = camera.end().gaps
    assert gaps["no_frames"] == pytest.approx(8.2, abs=0.3)
    assert gaps["overloaded"] == pytest.approx(8.2, abs=0.01)


def test_a_model_that_fails_is_named() -> None:
    camera = Watched()
    camera.watch(2)
    camera.condition = CameraCondition(failing=["traffic"])
    for _ in range(8):
        camera.second(None)
    camera.condition = WELL
    camera.watch(2)
    assert camera.end().gaps["model_failed"] == pytest.approx(8.2, abs=0.3)


def test_frames_that_come_seldom_but_as_asked_are_no_gap() -> None:
    camera = Watched()
    camera.condition = WELL
    camera.watch(1)
    for _ in range(20):
        camera.now_s += 2.4
        camera.asked["traffic"] += 1
        camera.ledger.analysed(["traffic"], camera.now_s, "")
        camera.check()
    assert camera.end().able_s == pytest.approx(0.8 + 48.0)


def test_a_lens_that_was_covered_is_blind_from_when_it_was_and_not_from_when_it_was_told() -> None:
    camera = Watched()
    camera.watch(20)
    camera.ledger.blind_since(camera.now_s - 6.0, "covered")
    camera.watch(10, "covered")
    camera.watch(4)
    coverage = camera.end()
    assert coverage.gaps["covered"] == pytest.approx(16.0)
    assert coverage.watched_s - coverage.able_s == pytest.approx(16.0)


def test_an_image_that_froze_was_not_seen_since_it_did() -> None:
    camera = Watched()
    camera.watch(60)
    camera.condition = CameraCondition(frozen=True)
    camera.watch(10)
    camera.condition = WELL
    camera.watch(10)
    assert camera.end().gaps["frozen"] == pytest.approx(55.0, abs=1.3)


def test_a_process_that_was_stopped_watched_nothing_whatever_the_next_frame_says() -> None:
    camera = Watched()
    camera.watch(5)
    camera.now_s += 30.0
    camera.ledger.analysed(["traffic"], camera.now_s, "")
    camera.check()
    camera.watch(5)
    assert camera.end().gaps["worker_down"] == pytest.approx(30.0)


def test_periods_begin_at_the_minute_and_come_once_when_all_is_known_of_them() -> None:
    camera = Watched(began=MINUTE + timedelta(seconds=30))
    camera.watch(30)
    assert camera.periods == []
    unfinished = camera.ledger.unfinished()
    assert [(one.begins_at.second, one.ends_at.minute) for one in unfinished] == [(30, 7)]
    camera.watch(int(SETTLE_S) + 1)
    (first,) = camera.periods
    assert (first.begins_at, first.ends_at) == (camera.began, MINUTE + timedelta(minutes=1))
    assert first.coverage.requested_s == 30.0
    camera.watch(60)
    camera.end()
    assert [one.ends_at.second for one in camera.periods[:-1]] == [0, 0, 0]
    assert all(a.ends_at == b.begins_at for a, b in pairwise(camera.periods))
    assert camera.end() == total_coverage([one.coverage for one in camera.periods])


@pytest.mark.parametrize("set_by_s", [-3600.0, -120.0, 3600.0])
def test_a_clock_that_is_set_makes_no_second_count_twice_or_not_at_all(set_by_s: float) -> None:
    camera = Watched()
    camera.watch(200)
    camera.set_by_s = set_by_s
    camera.watch(300)
    assert camera.end().requested_s == pytest.approx(500.0)
    starts = [one.begins_at for one in camera.periods]
    assert len(set(starts)) == len(starts)
    ends_s = (camera.periods[-1].ends_at - camera.began).total_seconds()
    assert ends_s == pytest.approx(500 + set_by_s, abs=0.05)
    assert all(one.coverage.requested_s <= 60.0 for one in camera.periods)


def test_a_rule_asks_what_was_covered_in_its_own_period() -> None:
    camera = Watched()
    camera.watch(30)
    camera.condition = CameraCondition("offline")
    camera.idle(10)
    camera.condition = WELL
    camera.watch(20)
    asked = (MINUTE + timedelta(seconds=20), MINUTE + timedelta(seconds=50))
    coverage = camera.ledger.coverage("traffic", *asked)
    assert shown(coverage) == (30.0, pytest.approx(19.8), pytest.approx(19.8))
    before = camera.ledger.coverage("traffic", MINUTE - timedelta(minutes=5), MINUTE)
    assert before.requested_s == 0.0


steps = st.lists(
    st.tuples(
        st.sampled_from(["frames", "slow", "idle", "skip", "blind"]),
        st.integers(min_value=1, max_value=40),
    ),
    max_size=12,
)


@given(steps)
def test_every_second_is_able_or_named_whatever_happens(todo: list[tuple[str, int]]) -> None:
    camera = Watched()
    for what, count in todo:
        if what == "skip":
            camera.now_s += count
        elif what == "blind":
            camera.ledger.blind_since(camera.now_s - count, "covered")
        for _ in range(count if what in ("frames", "slow", "idle") else 0):
            camera.second("" if what != "idle" else None, {"frames": 5, "slow": 1, "idle": 0}[what])
    coverage = camera.end()
    assert coverage.requested_s == pytest.approx(camera.passed_s, abs=0.05)
    assert coverage.able_s + sum(coverage.gaps.values()) == pytest.approx(coverage.requested_s)
    assert 0 <= coverage.able_s <= coverage.watched_s <= coverage.requested_s
    frames = sum(count for what, count in todo if what in ("frames", "slow"))
    assert coverage.watched_s <= frames + TOLERANCE_S * len(todo), "nothing without frames"


def test_the_rule_that_tolerates_least_decides_what_is_a_gap() -> None:
    assert longest_gap_s(5.0, [RulePlan("crowding.density", ())]) == 2.5
    assert longest_gap_s(0.5, [RulePlan("crowding.density", ())]) == 6.0
    assert longest_gap_s(0.15, [RulePlan("crowding.density", ())]) == 10.0
    assert longest_gap_s(0.15, [RulePlan("traffic.congestion", ())]) == pytest.approx(10.0)
    assert (
        longest_gap_s(0.5, [RulePlan("crowding.density", ()), RulePlan("traffic.wrong_way", ())])
        == 5.0
    )
    assert longest_gap_s(0.05, []) == 30.0


def test_what_is_settled_is_the_sum_of_the_periods_that_were_given_away() -> None:
    camera = Watched()
    assert camera.ledger.settled == Coverage(0.0, 0.0, 0.0, {})
    for number in range(300):
        camera.second("covered" if number % 3 == 0 else "")
    assert len(camera.periods) == 3
    assert camera.ledger.settled == total_coverage(one.coverage for one in camera.periods)
    assert camera.ledger.settled.requested_s == pytest.approx(180)
