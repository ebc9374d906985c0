"""The grid of cells that dense networks predict on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_tools.graph.placement import ImageSize


def grid(
    size: ImageSize, strides: tuple[int, ...]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Cells of all strides in the given order, row by row; a cell may reach over the border.

    Returns:
        (A, 2) column and row of each cell, and (A, 1) its stride in pixels.
    """
    cells, sizes = [], []
    for stride in strides:
        columns, rows = np.meshgrid(
            np.arange(-(-size[0] // stride)), np.arange(-(-size[1] // stride)), indexing="xy"
        )
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        sizes.append(np.full((columns.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(sizes).astype(np.float32)
