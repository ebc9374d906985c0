"""`cityeye chaos`: a city, a schedule of faults, and what came of it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.chaos.chaos_street import SCENE, ChaosStreet
from benchmarks.chaos.kinds import FAULT_KINDS, ChaosKind, HitTarget, hit_when_there, hold_s
from benchmarks.chaos.records import FaultRecord, Recording
from benchmarks.chaos.report import ChaosOutcome
from benchmarks.chaos.schedule import PlannedFault, in_groups, missing, planned_faults
from benchmarks.chaos.swift_server import check_swift
from benchmarks.errors import BenchmarkError
from benchmarks.mosquitto import check_mosquitto
from benchmarks.result import RunStart
from benchmarks.subject import Say
from simulation import ensure_clips

START_S: Final = 300.0
RECOVERED_WITHIN_S: Final = 150.0
TARGET_WITHIN_S: Final = 30.0
STEADY_S: Final = 2.0
"""How long all must stay well: what a fault takes along may still be there for a moment."""

DRAINED_WITHIN_S: Final = 240.0
ROUND_S: Final = 0.25
WARM_UP: Final = 0.25
"""How long a soak warms up, as a share of its length."""

SOAK_TIMES: Final = 1000
"""More of each kind than any soak reaches."""


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """What is asked for.

    Attributes:
        seed: Of the schedule.
        least: How often every kind comes.
        rare: How often those come that take all of Ray along.
        minutes: After how many no further fault begins; None for as long as it takes.
        first: Index of the first fault of the schedule that is run.
        faults: How many from there on; None for all.
        kinds: Only these; all if empty.
        keep: Whether the folder of the city stays.
        soak: Minutes after a warm-up in which no process is hit, to see what grows; None for
            faults of every kind. `minutes` and `least` say nothing then.
    """

    seed: int = 1
    least: int = 5
    rare: int = 3
    minutes: float | None = None
    first: int = 0
    faults: int | None = None
    kinds: tuple[str, ...] = ()
    keep: bool = False
    soak: float | None = None

    @property
    def warm_up_s(self) -> float:
        """Before a soak is measured."""
        return 60 * WARM_UP * (self.soak or 0.0)

    @property
    def last_after_s(self) -> float:
        """Seconds after which no further fault begins."""
        if self.soak is not None:
            return self.warm_up_s + 60 * self.soak
        return float("inf") if self.minutes is None else 60 * self.minutes

    def wanted(self) -> dict[str, int]:
        """How often each kind is to come in the whole schedule.

        Raises:
            BenchmarkError: There is no such kind.
        """
        unknown = [name for name in self.kinds if name not in FAULT_KINDS]
        if unknown:
            raise BenchmarkError(
                f"there is no kind of fault {unknown[0]!r}; choose among {', '.join(FAULT_KINDS)}"
            )
        names = self.kinds or tuple(FAULT_KINDS)
        if self.soak is not None:
            gentle = [name for name in names if FAULT_KINDS[name].group != "process"]
            if not gentle:
                raise BenchmarkError("a soak hits no processes; name kinds that hit something else")
            return dict.fromkeys(gentle, SOAK_TIMES)
        return {name: self.rare if FAULT_KINDS[name].rare else self.least for name in names}

    def schedule(self) -> tuple[PlannedFault, ...]:
        """The faults of this run.

        Raises:
            BenchmarkError: There is no such kind, or no fault at `first`.
        """
        faults = planned_faults(self.seed, self.wanted())
        end = None if self.faults is None else self.first + self.faults
        chosen = faults[self.first : end]
        if not chosen:
            raise BenchmarkError(f"the schedule has {len(faults)} faults; begin at a lower one")
        return chosen


def run(
    options: ChaosOptions, environment: Mapping[str, str], cache: Path, say: Say
) -> ChaosOutcome:
    """Runs a schedule and compares.

    Args:
        options: What is asked for.
        environment: For the city.
        cache: Where drawn clips are kept.
        say: Is given a line about how it goes.

    Raises:
        BenchmarkError: The S3 server or the MQTT broker is not installed, the options do not fit,
            or the city does not start at all.
    """
    check_swift()
    check_mosquitto()
    faults = options.schedule()
    start = RunStart()
    say(f"clip: {SCENE}; drawn if it is not in {cache}")
    clip = ensure_clips((SCENE,), cache)[SCENE]
    with _folder(options.keep, say) as folder, ChaosStreet(folder, clip, environment) as street:
        campaign = ChaosCampaign(street, say)
        campaign.await_start()
        began_s = time.monotonic()
        campaign.suffer(faults, options.last_after_s)
        measured = began_s + options.warm_up_s, time.monotonic()
        settled = campaign.settle()
        outcome = ChaosOutcome.of(
            start,
            options.seed,
            campaign.recording(),
            street,
            not_reached={} if options.soak else missing(_counted(faults), _hit(campaign.records)),
            settled=settled,
            growth=street.watch.growth.between(*measured) if options.soak else (),
        )
    return outcome


def _counted(faults: Sequence[PlannedFault]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for fault in faults:
        counts[fault.kind] = counts.get(fault.kind, 0) + 1
    return counts


def _hit(records: Sequence[FaultRecord]) -> list[str]:
    return [record.kind for record in records if record.target]


@contextlib.contextmanager
def _folder(keep: bool, say: Say) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cityeye-chaos-"))
    say(f"folder: {folder}")
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(slots=True)
class _Hit:
    """A fault that is there."""

    kind: ChaosKind
    record: FaultRecord
    target: HitTarget | None
    until_s: float


class ChaosCampaign:
    """Faults on a street, one group after the other, each once all is well again.

    Attributes:
        records: What was done so far.
    """

    def __init__(self, street: ChaosStreet, say: Say) -> None:
        self.records: list[FaultRecord] = []
        self._street = street
        self._say = say
        self._began_s = time.monotonic()
        self._well_since_s: float | None = None

    def await_start(self) -> None:
        """Waits until the city watches everything.

        Raises:
            BenchmarkError: That does not come.
        """
        deadline_s = time.monotonic() + START_S
        while not self._street.is_well():
            self._street.city.check()
            if time.monotonic() > deadline_s:
                said = self._street.city.said_last()
                raise BenchmarkError(f"the city is not well after {START_S:.0f} s:\n{said}")
            time.sleep(ROUND_S)
        self._say("the city watches; faults begin")

    def suffer(self, faults: Sequence[PlannedFault], last_after_s: float) -> None:
        """Runs a schedule, up to a number of seconds."""
        until_s = time.monotonic() + last_after_s
        for group in in_groups(faults):
            if time.monotonic() >= until_s:
                break
            time.sleep(group[0].gap_s)
            self._well_since_s = None
            hits = [self._hit(fault, together=len(group) > 1) for fault in group]
            for hit in sorted(hits, key=lambda one: one.until_s):
                self._heal(hit)
            self._await_recovery(hits)
            for hit in hits:
                self._tell(hit.record)

    def settle(self) -> bool:
        """Waits until everything has arrived, then stops the city; whether all was well."""
        street, deadline_s = self._street, time.monotonic() + DRAINED_WITHIN_S
        well, now = False, time.time()
        while not well and time.monotonic() < deadline_s:
            drained = all(street.is_drained(name, now) for name in street.receivers)
            well = drained and street.is_well() and not street.watch.outboxes.spooled
            time.sleep(ROUND_S)
        self._say("the city is stopped" if well else "the city is stopped, though not all is well")
        street.stop_city()
        street.watch.outboxes.read()
        return well

    def recording(self) -> Recording:
        """All that was recorded; to be called once the city has stopped."""
        street, watch = self._street, self._street.watch
        return Recording(
            committed=dict(watch.outboxes.committed),
            arrivals=street.arrivals(),
            frames={name: list(camera.frames) for name, camera in street.cameras.items()},
            reading=list(watch.reading),
            claims=watch.ordered_claims(),
            faults=self.records,
            wall_offset_s=time.time() - time.monotonic(),
        )

    def _hit(self, fault: PlannedFault, *, together: bool) -> _Hit:
        kind = FAULT_KINDS[fault.kind]
        target = hit_when_there(kind, self._street, fault.draw, TARGET_WITHIN_S)
        now_s = time.monotonic()
        name = target.name if target is not None else ""
        record = FaultRecord(fault.index, fault.kind, name, now_s, together=together)
        self.records.append(record)
        return _Hit(kind, record, target, now_s + hold_s(kind, fault.hold))

    def _heal(self, hit: _Hit) -> None:
        while (left_s := hit.until_s - time.monotonic()) > 0:
            self._note_well(self._street.is_well())
            time.sleep(min(left_s, ROUND_S))
        if hit.target is not None:
            hit.target.heal()
        hit.record.healed_s = time.monotonic()

    def _await_recovery(self, hits: Sequence[_Hit]) -> None:
        well_s = self._well_s(hits)
        for hit in hits:
            began_s = hit.kind.began_s(hit.record.applied_s, hit.record.healed_s)
            hit.record.recovered_s = None if well_s is None else max(0.0, well_s - began_s)

    def _well_s(self, hits: Sequence[_Hit]) -> float | None:
        """From when on all was well and stayed so, monotonic seconds; None if it did not come."""
        healed_s, healed_at = time.monotonic(), time.time()
        if any(hit.kind.group != "process" for hit in hits):
            self._well_since_s = None
        while time.monotonic() - healed_s < RECOVERED_WITHIN_S:
            over = [hit.kind.is_over(self._street, healed_s, healed_at) for hit in hits]
            well_s = self._note_well(all(over))
            now_s = time.monotonic()
            if well_s is not None and now_s - max(well_s, healed_s) >= STEADY_S:
                return well_s
            time.sleep(ROUND_S)
        return None

    def _note_well(self, well: bool) -> float | None:
        """Notes whether all is well; returns since when it is, monotonic seconds."""
        if not well:
            self._well_since_s = None
        elif self._well_since_s is None:
            self._well_since_s = time.monotonic()
        return self._well_since_s

    def _tell(self, record: FaultRecord) -> None:
        elapsed_s = record.applied_s - self._began_s
        if not record.target:
            came = "there was nothing to hit"
        elif record.recovered_s is None:
            came = f"not well within {RECOVERED_WITHIN_S:.0f} s"
        else:
            came = f"well after {record.recovered_s:.1f} s"
        self._say(f"{elapsed_s:7.1f} s  #{record.index} {record.kind} ({record.target}): {came}")
