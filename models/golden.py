"""Golden images: inputs with the rows that a model gave for them when it was known to be right.

A version is verified by giving the same rows again: after import, on another machine, after a
download, in a new replica.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from models.agreement import HALF, LOOSE, QUANTISED, STRICT, Tolerance, disagreement
from models.errors import PackageError
from models.version import Precision

__all__ = [
    "HALF",
    "LOOSE",
    "QUANTISED",
    "STRICT",
    "GoldenSet",
    "Tolerance",
    "disagreement",
    "tolerance_of",
]

MAX_FILE_BYTES = 128 * 1024 * 1024
MAX_ARRAY_BYTES = 256 * 1024 * 1024
MAX_IMAGES = 256
MAX_ROWS = 10_000
COLUMNS = 6

_IMAGES = "pictures.npy"
_ROWS = "rows.npy"
_REMEDY = "import the model again"
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, ValueError),
    *(OSError, EOFError, MemoryError, RuntimeError),
)
"""What reading an archive from an unknown hand can end in."""


@dataclass(frozen=True, slots=True, eq=False)
class GoldenSet:
    """Images and the rows that belong to them.

    Attributes:
        images: (K, H, W, 3) uint8 RGB at the model's input size, K at least 1.
        rows: (K, M, 6) float32: x1 y1 x2 y2 score class; padding rows have score 0.
    """

    images: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        problem = _misfit(self.images.shape, self.images.dtype, self.rows.shape, self.rows.dtype)
        if problem or not np.isfinite(self.rows).all():
            raise ValueError(problem or "the rows hold numbers that are not finite")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shows_something(self) -> bool:
        """Whether there is any object in the rows; without one they verify nothing."""
        return bool((self.rows[:, :, 4] > 0).any())

    def save(self, path: Path) -> None:
        """Writes the compressed file; equal sets give equal bytes."""
        with Path(path).open("wb") as stream:
            np.savez_compressed(stream, pictures=self.images, rows=self.rows)

    @classmethod
    def load(cls, path: Path) -> GoldenSet:
        """Reads a file without ever running what is in it or believing its sizes.

        Raises:
            PackageError: The file is missing, too large, not such a file, or does not line up.
        """
        path = Path(path)
        model = f"{path.parent.parent.name}/{path.parent.name}"
        if not path.is_file():
            raise PackageError(model, path, "is missing", f"{_REMEDY} to get golden images")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise PackageError(
                model, path, f"has {size} bytes, more than {MAX_FILE_BYTES}", "use fewer images"
            )
        try:
            return cls(*_read(path))
        except _Unreadable as error:
            raise PackageError(model, path, str(error), _REMEDY) from error
        except _DAMAGE as error:
            problem = " ".join(str(error).split()) or type(error).__name__
            raise PackageError(model, path, f"holds no arrays ({problem})", _REMEDY) from error


def tolerance_of(precision: Precision, provider: str) -> Tolerance:
    """How far a version may be from its golden rows, which are those of the float32 network.

    Args:
        precision: Number format of the version's network.
        provider: Where it runs: `cpu` or `cuda`.
    """
    if precision == "fp32":
        return STRICT if provider == "cpu" else LOOSE
    return HALF if precision == "fp16" else QUANTISED


class _Unreadable(Exception):
    """One clause about the content of the file."""


def _read(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    with zipfile.ZipFile(path) as archive:
        names = sorted(one.filename for one in archive.infolist())
        if names != sorted((_IMAGES, _ROWS)):
            raise _Unreadable(f"must hold {_IMAGES} and {_ROWS} and nothing else")
        with archive.open(_IMAGES) as stream:
            images = _array(stream, _IMAGES, np.dtype(np.uint8))
        with archive.open(_ROWS) as stream:
            rows = _array(stream, _ROWS, np.dtype(np.float32))
    return images, rows  # type: ignore[return-value]


def _array(stream: IO[bytes], name: str, kind: np.dtype[np.generic]) -> npt.NDArray[np.generic]:
    """Reads one array after its header has been found harmless; no object is ever unpickled."""
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise _Unreadable(f"{name} has the unknown format {version}")
    shape, fortran_order, dtype = readers[version](stream)
    if dtype != kind or fortran_order:
        raise _Unreadable(f"{name} holds {dtype} values, not {kind}")
    size = math.prod(shape) * kind.itemsize
    if size > MAX_ARRAY_BYTES or min(shape, default=0) < 0:
        raise _Unreadable(f"{name} declares {size} bytes, more than {MAX_ARRAY_BYTES}")
    content = stream.read(size)
    if len(content) != size:
        raise _Unreadable(f"{name} ends after {len(content)} of {size} bytes")
    return np.frombuffer(content, kind).reshape(shape)


def _misfit(
    images: tuple[int, ...], image_type: object, rows: tuple[int, ...], row_type: object
) -> str:
    if image_type != np.uint8 or len(images) != 4 or images[3] != 3:  # noqa: PLR2004
        return f"images must be uint8 (K, H, W, 3), are {image_type} {images}"
    if row_type != np.float32 or len(rows) != 3 or rows[2] != COLUMNS:  # noqa: PLR2004
        return f"rows must be float32 (K, M, 6), are {row_type} {rows}"
    if not 1 <= images[0] <= MAX_IMAGES or rows[0] != images[0]:
        return f"there are {images[0]} images for {rows[0]} tables of rows"
    return f"there are {rows[1]} rows per image" if rows[1] > MAX_ROWS else ""
