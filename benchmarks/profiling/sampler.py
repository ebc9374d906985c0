"""A sampling profiler: where the Python threads of this process run, and where they wait.

What a thread has used since the last sample says little about where it is now: most of it would be
attributed to the wait that followed. A thread counts as running if its processor clock advances
while the sampler holds the interpreter, as that of a decoder does; or if it has advanced all the
time until then, as that of a thread which runs Python code and had to let go of the interpreter.

The sampler needs the interpreter, so a thread that runs Python code is seen where it lets go of it,
up to a switch interval later: mostly at the next call that waits or computes outside of Python. The
samples say where, approximately; how much is said by the clocks around the stages.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

from benchmarks.profiling.thread_clocks import group_of_threads
from serving import thread_cpu_s

OURS: Final = ("camera_adapters", "cityeye", "models", "pipelines", "serving")
ROOT: Final = Path(__file__).parents[2]
PROBE_S: Final = 0.0003
"""How long the clocks are observed before the interpreter is taken, seconds."""

BUSY: Final = 0.8
"""A thread whose clock advanced by this share of the time did nothing but run."""

SampledPlace = tuple[str, str, str]
"""Group of threads, innermost function of ours (empty where there is none), innermost function."""


class Sampler:
    """Samples all Python threads but the calling one.

    Attributes:
        samples: How many were taken.
        running: How many samples saw a thread run, by place.
        waiting: How many samples saw a thread wait, by place.
    """

    def __init__(self) -> None:
        self._names: dict[CodeType, str] = {}
        self._ours: dict[CodeType, bool] = {}
        self._threads: Sequence[tuple[int, int, str]] = ()
        self.clear()

    def clear(self) -> None:
        """Forgets all samples."""
        self.samples = 0
        self.running: defaultdict[SampledPlace, int] = defaultdict(int)
        self.waiting: defaultdict[SampledPlace, int] = defaultdict(int)

    def find_threads(self) -> None:
        """Takes note of the threads that there are."""
        self._threads = [
            (thread.ident, thread.native_id, group_of_threads(thread.name))
            for thread in threading.enumerate()
            if thread.ident and thread.native_id and thread is not threading.current_thread()
        ]

    def sample(self) -> None:
        """Takes one sample of the threads found last."""
        before, started_s = self._clocks(), time.monotonic()
        time.sleep(PROBE_S)
        # From here on no other thread runs Python code.
        frames: Mapping[int, FrameType] = sys._current_frames()
        now, busy_s = self._clocks(), BUSY * (time.monotonic() - started_s)
        after = self._clocks()
        clocks = zip(before, now, after, strict=True)
        for (ident, _, group), (was_s, now_s, later_s) in zip(self._threads, clocks, strict=True):
            frame = frames.get(ident)
            if frame is None or was_s is None or now_s is None or later_s is None:
                continue  # It has ended.
            runs = later_s > now_s or now_s - was_s >= busy_s
            (self.running if runs else self.waiting)[group, *self._place(frame)] += 1
        self.samples += 1

    def _clocks(self) -> list[float | None]:
        return [thread_cpu_s(tid) for _, tid, _ in self._threads]

    def _place(self, frame: FrameType) -> tuple[str, str]:
        innermost = self._name(frame.f_code)
        at: FrameType | None = frame
        while at is not None:
            if self._is_ours(at.f_code):
                return f"{self._name(at.f_code)}:{at.f_lineno}", innermost
            at = at.f_back
        return "", innermost

    def _name(self, code: CodeType) -> str:
        if code not in self._names:
            file = Path(code.co_filename)
            shown = file.relative_to(ROOT) if self._is_ours(code) else Path(*file.parts[-2:])
            self._names[code] = f"{shown}:{code.co_qualname}"
        return self._names[code]

    def _is_ours(self, code: CodeType) -> bool:
        if code not in self._ours:
            file = Path(code.co_filename)
            inside = file.is_relative_to(ROOT)
            self._ours[code] = inside and file.relative_to(ROOT).parts[0] in OURS
        return self._ours[code]
