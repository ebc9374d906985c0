"""The account of a profile: which processor time belongs to which part, per inferred frame.

What belongs where, for the camera worker:

- *Decode* is reading packets (`demux`) and `packet.decode`, of all images, inferred or not.
- *Session run* is `models.Detector.run` on the calling thread: ONNX Runtime's run, and the few
  microseconds that check its input. With Ray Serve it is in the replica, and the worker has none.
- *Everything else in the process* is the worker's own: the reader's threads beside decoding, also
  for images that nobody infers; conversion; the detector port with what it costs to send a batch;
  tracker, rules, evidence, statistics, delivery; Ray's threads; answering the director. Further
  threads of a session, where it has more than one, are counted here too.

The sum of the worker is measured while nothing is profiled, and decode and session run, which are
taken off, while clocks are around the stages. Control processes are all processes of the city but
camera workers, detector replicas and the event hub.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.processes import HUB, REPLICAS, WORKERS
from benchmarks.profiling.hooks import CONVERSION, DECODE, DEMUX, RUN
from benchmarks.profiling.recorder import ProfileLine, ProfileMode
from benchmarks.profiling.sampler import SampledPlace
from benchmarks.profiling.stages import StageTime, ThreadStage

NOT_OWN: Final = (DEMUX, DECODE, RUN)
"""Stages that the worker must pay for whatever it does."""

NOT_CONTROL: Final = frozenset({WORKERS, REPLICAS, HUB})
READERS: Final = "camera-*"
PER_MS: Final = 1000.0


@dataclass(frozen=True, slots=True)
class ProfileWindow:
    """A time that was measured in one mode.

    Attributes:
        mode: The mode.
        from_s: Beginning, monotonic seconds.
        to_s: End.
        processes: Processor seconds of the city's processes in it, by name.
    """

    mode: ProfileMode
    from_s: float
    to_s: float
    processes: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.to_s - self.from_s

    @property
    def control_share(self) -> float:
        """Processor time of all control processes together, in shares of a core."""
        control = (cpu_s for name, cpu_s in self.processes.items() if name not in NOT_CONTROL)
        return sum(control) / self.seconds


@dataclass(frozen=True, slots=True)
class WorkerTotals:
    """What the workers did in some windows of one mode, all of them together.

    Attributes:
        seconds: Time over which a worker was measured, the mean of all workers.
        cpu_s: Processor time of the processes.
        inferred: Frames inferred.
        batches: Batch results.
        images: Images in them.
        run_cpu_s: See `ProfileLine`; so are `run_s` and `queue_s`.
        samples: Samples taken.
        threads: Processor seconds by group of threads.
        stages: Time by group of threads and stage.
        running: Samples that saw a thread run, by place.
        waiting: Samples that saw a wait, by place.
    """

    seconds: float
    cpu_s: float
    inferred: int
    batches: int
    images: int
    run_cpu_s: float
    run_s: float
    queue_s: float
    samples: int
    threads: Mapping[str, float]
    stages: Mapping[ThreadStage, StageTime]
    running: Mapping[SampledPlace, int]
    waiting: Mapping[SampledPlace, int]

    def per_frame_ms(self, cpu_s: float) -> float:
        """Milliseconds per inferred frame."""
        return cpu_s / self.inferred * PER_MS if self.inferred else 0.0

    @property
    def inferred_per_s(self) -> float:
        """Frames inferred per second."""
        return self.inferred / self.seconds if self.seconds else 0.0

    def stage_ms(self, *stages: str) -> float:
        """Processor time of some stages per inferred frame, milliseconds."""
        return self.per_frame_ms(
            sum(time.cpu_s for (_, stage), time in self.stages.items() if stage in stages)
        )

    def rest_s(self, group: str) -> float:
        """Processor time of a group of threads outside of all stages, seconds."""
        inside = sum(time.cpu_s for (own, _), time in self.stages.items() if own == group)
        return self.threads.get(group, 0.0) - inside

    @property
    def reader_beside_ms(self) -> float:
        """What the readers' threads do beside decoding and conversion, per inferred frame."""
        known = sum(
            time.cpu_s
            for (group, stage), time in self.stages.items()
            if group == READERS and stage in {DEMUX, DECODE, CONVERSION}
        )
        return self.per_frame_ms(self.threads.get(READERS, 0.0) - known)

    def functions(self) -> list[tuple[SampledPlace, float]]:
        """Processor seconds by place, most first: the clock of each group, shared by samples."""
        seen: defaultdict[str, int] = defaultdict(int)
        for place, count in self.running.items():
            seen[place[0]] += count
        found = [
            (place, count / seen[place[0]] * self.threads.get(place[0], 0.0))
            for place, count in self.running.items()
        ]
        return sorted(found, key=lambda one: -one[1])


def totals(
    lines: Iterable[Sequence[ProfileLine]], windows: Sequence[ProfileWindow]
) -> WorkerTotals:
    """Adds up what workers wrote, one sequence of lines each, in windows of one mode."""
    workers = [
        [one for one in worker if any(_inside(one, window) for window in windows)]
        for worker in lines
    ]
    chosen = [line for worker in workers for line in worker]
    threads: defaultdict[str, float] = defaultdict(float)
    stages: defaultdict[ThreadStage, StageTime] = defaultdict(StageTime)
    running: defaultdict[SampledPlace, int] = defaultdict(int)
    waiting: defaultdict[SampledPlace, int] = defaultdict(int)
    for line in chosen:
        for group, cpu_s in line.threads.items():
            threads[group] += cpu_s
        for group, stage, calls, cpu_s, wall_s in line.stages:
            stages[group, stage] += StageTime(calls, cpu_s, wall_s)
        for counts, samples in ((running, line.running), (waiting, line.waiting)):
            for group, ours, innermost, count in samples:
                counts[group, ours, innermost] += count
    return WorkerTotals(
        seconds=sum(line.to_s - line.from_s for line in chosen) / max(1, len(workers)),
        cpu_s=sum(line.cpu_s for line in chosen),
        inferred=sum(line.inferred for line in chosen),
        batches=sum(line.batches for line in chosen),
        images=sum(line.images for line in chosen),
        run_cpu_s=sum(line.run_cpu_s for line in chosen),
        run_s=sum(line.run_s for line in chosen),
        queue_s=sum(line.queue_s for line in chosen),
        samples=sum(line.samples for line in chosen),
        threads=threads,
        stages=stages,
        running=running,
        waiting=waiting,
    )


def own_cpu_ms(unprofiled: WorkerTotals, staged: WorkerTotals) -> float:
    """Worker CPU per inferred frame beside decode and the session's run, milliseconds."""
    return unprofiled.per_frame_ms(unprofiled.cpu_s) - staged.stage_ms(*NOT_OWN)


def _inside(line: ProfileLine, window: ProfileWindow) -> bool:
    """Whether a line is of a window; its ends may lie outside, as long as the mode is the same."""
    middle_s = (line.from_s + line.to_s) / 2
    return line.mode == window.mode and window.from_s <= middle_s <= window.to_s
