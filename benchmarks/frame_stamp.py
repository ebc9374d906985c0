"""Which image of a stamped clip a frame shows, read from the decoded image itself."""

from __future__ import annotations

from typing import Final

import numpy as np

from camera_adapters import Frame, Letterbox, Size
from simulation import read_stamp

_SMALL: Final = Size(320, 180)
"""The least size at which a stamp can be read."""


def shown_number(frame: Frame) -> int | None:
    """The number of the image; None where it cannot be read.

    The analysis images of a frame that was not inferred are those of an earlier one.
    """
    luma = frame.full.luma(_SMALL)
    letterbox = Letterbox(frame.full.size, _SMALL, _SMALL, 0, 0)
    return read_stamp(np.broadcast_to(luma[..., None], (*luma.shape, 3)), letterbox)
