"""Records the profile of a camera worker from inside, and writes it down line by line.

`CityPlan.log_to` is what each process of a city calls first; `record_profile` takes its place. What
is measured follows the file `MODE_FILE`, which the benchmark writes.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict

from benchmarks.profiling.hooks import ANSWERED, INFERRED, Hooks, called_too
from benchmarks.profiling.sampler import Sampler
from benchmarks.profiling.stages import StageClocks, StageTime
from benchmarks.profiling.thread_clocks import ThreadClocks

ProfileMode = Literal["off", "stages", "samples"]
"""`off` counts only, `stages` has clocks around the stages, `samples` samples the threads."""

MODES: Final[tuple[ProfileMode, ...]] = get_args(ProfileMode)
MODE_FILE: Final = "profile.mode"
LINES_FILE: Final = "profile.jsonl"
WRITE_EVERY_S: Final = 1.0
READ_EVERY_S: Final = 0.5
SAMPLE_EVERY_S: Final = 0.01
SWITCH_S: Final = 0.0005
"""How soon the sampler gets the interpreter from a thread that runs Python code, seconds."""


class ProfileLine(BaseModel):
    """What a worker did in a second or so; all values are of that time alone.

    Attributes:
        mode: How it was measured.
        from_s: Beginning, monotonic seconds.
        to_s: End.
        cpu_s: Processor time of the whole process, seconds.
        threads: Processor time by group of threads; see `ThreadClocks`.
        inferred: Frames whose detections went through tracker and rules.
        batches: Batch results, one per model.
        images: Images in them; another model or a shadow counts again.
        run_cpu_s: Processor time of their runs, wherever they ran, as the detector says.
        run_s: Time of their runs.
        queue_s: Time that their batches waited and travelled.
        stages: Group of threads, stage, calls, processor and wall seconds.
        samples: Samples taken.
        running: Places and numbers of samples that saw a thread run; see `Sampler`.
        waiting: The same of threads that wait.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: ProfileMode
    from_s: float
    to_s: float
    cpu_s: float
    threads: dict[str, float]
    inferred: int
    batches: int
    images: int
    run_cpu_s: float
    run_s: float
    queue_s: float
    stages: tuple[tuple[str, str, int, float, float], ...]
    samples: int
    running: tuple[tuple[str, str, str, int], ...]
    waiting: tuple[tuple[str, str, str, int], ...]


def record_profile(log_to: Callable[[Path], None], log_file: Path) -> None:
    """Sets up the log of a process as the plan wanted, and the profile of it if it is a worker.

    Raises:
        MissingHookError: A function of the frame path has another name now.
    """
    log_to(log_file)
    if log_file.parent.parent.joinpath(MODE_FILE).exists():
        WorkerProfile(log_file.parent).start()


class _Counters:
    """What is counted in every mode; several threads count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values = self._nothing()

    @staticmethod
    def _nothing() -> dict[str, float]:
        return dict.fromkeys(("inferred", "batches", "images", "run_cpu_s", "run_s", "queue_s"), 0)

    def inferred(self, *_: object, **__: object) -> None:
        with self._lock:
            self._values["inferred"] += 1

    def answered(self, _recorder: object, _model: str, images: int, timing: Any) -> None:  # noqa: ANN401
        with self._lock:
            self._values["batches"] += 1
            self._values["images"] += images
            self._values["run_cpu_s"] += timing.cpu_s
            self._values["run_s"] += timing.run_s
            self._values["queue_s"] += timing.queue_s

    def take(self) -> dict[str, Any]:
        """The values since the last call."""
        with self._lock:
            values, self._values = self._values, self._nothing()
        return values


class WorkerProfile:
    """Measures this process on a thread of its own, as long as the process lives."""

    def __init__(self, folder: Path) -> None:
        """Prepares everything that must be there before the first camera is opened.

        `folder` is the worker's own; the file with the mode lies in the one above.
        """
        self._mode_file = folder.parent / MODE_FILE
        self._lines = (folder / LINES_FILE).open("a", encoding="utf-8", buffering=1)
        self._counters = _Counters()
        called_too(INFERRED, self._counters.inferred)
        called_too(ANSWERED, self._counters.answered)
        self._clocks = StageClocks()
        self._hooks = Hooks(self._clocks)
        self._stages = self._clocks.snapshot()
        self._threads = ThreadClocks()
        self._sampler = Sampler()
        self._switch_s = sys.getswitchinterval()
        self._mode: ProfileMode = "off"
        self._from_s = time.monotonic()

    def start(self) -> None:
        """Starts measuring."""
        threading.Thread(target=self._run, name="profiler", daemon=True).start()

    def _run(self) -> None:
        read_s = 0.0
        while True:
            now_s = time.monotonic()
            if now_s - read_s >= READ_EVERY_S:
                read_s = now_s
                self._sampler.find_threads()
                self._change(self._wanted())
            if now_s - self._from_s >= WRITE_EVERY_S:
                self._write()
            if self._mode == "samples":
                self._sampler.sample()
                time.sleep(SAMPLE_EVERY_S)
            else:
                time.sleep(READ_EVERY_S)

    def _wanted(self) -> ProfileMode:
        text = self._mode_file.read_text(encoding="utf-8").strip()
        # It may be empty while it is being written.
        return next((mode for mode in MODES if mode == text), self._mode)

    def _change(self, mode: ProfileMode) -> None:
        if mode == self._mode:
            return
        self._write()
        if mode == "stages":
            self._hooks.install()
        else:
            self._hooks.remove()
        sys.setswitchinterval(SWITCH_S if mode == "samples" else self._switch_s)
        self._mode = mode

    def _write(self) -> None:
        now_s = time.monotonic()
        threads, cpu_s = self._threads.since_last()
        before, self._stages = self._stages, self._clocks.snapshot()
        spent = {key: time - before.get(key, StageTime()) for key, time in self._stages.items()}
        line = ProfileLine(
            mode=self._mode,
            from_s=self._from_s,
            to_s=now_s,
            cpu_s=cpu_s,
            threads=threads,
            stages=tuple(
                (*key, one.calls, one.cpu_s, one.wall_s) for key, one in spent.items() if one.calls
            ),
            samples=self._sampler.samples,
            running=tuple((*place, count) for place, count in self._sampler.running.items()),
            waiting=tuple((*place, count) for place, count in self._sampler.waiting.items()),
            **self._counters.take(),
        )
        self._sampler.clear()
        self._from_s = now_s
        self._lines.write(line.model_dump_json() + "\n")
