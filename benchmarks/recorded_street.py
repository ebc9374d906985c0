"""`street_of`: a street whose cameras play a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.street import Street
from benchmarks.subject import size_of
from models import ModelPackage
from simulation import ClipShow, ensure_stamped_clip
from simulation.rtsp_server import load_clip


def street_of(
    package: ModelPackage, recording: Path, cache: Path, show: ClipShow, **given: Any
) -> Street:
    """A street whose cameras play a recording; its stamped copy is made where it is missing.

    Args:
        package: The package.
        recording: What the cameras show.
        cache: Where stamped clips are kept.
        show: How they show it.
        **given: Further attributes of `Street`.
    """
    stamped = ensure_stamped_clip(recording, cache, show)
    sent, size = load_clip(stamped), str(size_of(stamped))
    megabits = round(sent.bits_per_s / 1e6, 3)
    return Street(package.directory, stamped, sent.fps, size, megabits, **given)
