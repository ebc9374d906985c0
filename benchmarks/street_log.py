"""Which frame of which camera was where at what time: files that several processes append to.

The server writes one of what it sends, every contestant one of its results. All times are of the
monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

UNREADABLE: Final = -1
"""The number of a frame whose stamp could not be read."""

_RECORD: Final = struct.Struct("<iid")
_LAYOUT: Final = np.dtype([("camera", "<i4"), ("number", "<i4"), ("at_s", "<f8")])
FrameRecords = npt.NDArray[np.void]
"""Records with the fields `camera`, `number` and `at_s`, as they were written."""


class FrameLog:
    """Appends records to a file; any thread may, and each record is in the file at once."""

    def __init__(self, path: Path) -> None:
        """Opens the file, made if missing."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(self, camera: int, number: int | None, at_s: float) -> None:
        """Appends one record; a number of None stands for a stamp that could not be read."""
        known = UNREADABLE if number is None else number
        os.write(self._file, _RECORD.pack(camera, known, at_s))


def read_log(path: Path) -> FrameRecords:
    """All records of a file so far; none where there is no file yet."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    return np.frombuffer(content, _LAYOUT, count=len(content) // _LAYOUT.itemsize)


def read_results(folder: Path) -> FrameRecords:
    """The records of all result files at any depth of a folder."""
    logs = [read_log(path) for path in sorted(folder.rglob(f"*{RESULTS_SUFFIX}"))]
    return np.concatenate([np.zeros(0, _LAYOUT), *logs])


RESULTS_SUFFIX: Final = ".results"


def result_log(folder: Path) -> FrameLog:
    """The file that this process notes its results in."""
    return FrameLog(folder / f"{os.getpid()}{RESULTS_SUFFIX}")


@dataclass(frozen=True, slots=True)
class FrameAges:
    """How old frames were when their results were there.

    Attributes:
        ages_s: One per result whose frame is known.
        unreadable: Results whose stamp could not be read, or names a frame that was never sent.
    """

    ages_s: npt.NDArray[np.float64]
    unreadable: int

    def percentile_ms(self, percent: float) -> float:
        """A percentile of the ages in milliseconds; NaN where there is none."""
        return 1000 * float(np.percentile(self.ages_s, percent)) if len(self.ages_s) else np.nan


def frame_ages(sent: FrameRecords, results: FrameRecords) -> FrameAges:
    """The age of each result: from the last sending of its frame before it.

    A clip is played again and again, so a number is sent many times; an age is therefore right as
    long as it is shorter than the clip.
    """
    readable = results[results["number"] != UNREADABLE]
    ages = [
        _ages_of(sent[sent["camera"] == camera], readable[readable["camera"] == camera])
        for camera in np.unique(readable["camera"])
    ]
    known = np.concatenate([np.zeros(0), *ages])
    return FrameAges(known, len(results) - len(known))


def _ages_of(sent: FrameRecords, results: FrameRecords) -> npt.NDArray[np.float64]:
    """Ages of results of one camera, those of frames that were never sent left out."""
    ages = []
    for number in np.unique(results["number"]):
        at_s = np.sort(sent["at_s"][sent["number"] == number])
        there_s = results["at_s"][results["number"] == number]
        last = np.searchsorted(at_s, there_s, side="right") - 1
        ages.append(there_s[last >= 0] - at_s[last[last >= 0]])
    return np.concatenate([np.zeros(0), *ages])
