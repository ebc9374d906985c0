"""`KeyframeStore`: what the relay needs from a place where keyframes are kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Protocol

from pipelines.keyframe_key import KEY_PREFIX


def day_of(path: str, prefix: str) -> date | None:
    """The day of a path like `kf-30d/v1/2026/03/04` below a prefix; None for others."""
    try:
        year, month, day = path.removeprefix(prefix).strip("/").split("/")
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def prefix_of(day: date, prefix: str) -> str:
    """Where what was taken on a day lies."""
    return f"{prefix}{day:%Y/%m/%d}/"


class KeyframeStore(Protocol):
    """Keeps images and clips by key. Every call ends within the store's own timeouts.

    All methods raise `StoreUnavailable` where trying again later may help, and `StoreRefused` where
    a person has to change something first.
    """

    def put(self, key: str, data: bytes, sha256: str, media_type: str) -> None:
        """Stores an image; after it returns the whole image is there. Idempotent.

        Args:
            key: Relative path of safe parts.
            data: The file.
            sha256: Hex digest that `data` must have.
            media_type: `image/jpeg` or `video/mp4`.

        Raises:
            KeyframeAltered: `data` does not have this sha256; nothing was stored.
        """
        ...

    def get(self, key: str) -> bytes:
        """The image as stored; checking it is the reader's part.

        Raises:
            KeyframeMissing: There is none.
        """
        ...

    def exists(self, key: str) -> bool:
        """Whether there is an image under this key."""
        ...

    def days(self, prefix: str = KEY_PREFIX) -> Iterable[date]:
        """The days of which there is something below a prefix of `pipelines.keyframe_key`, UTC."""
        ...

    def of_day(self, day: date, prefix: str = KEY_PREFIX) -> Iterable[tuple[str, int]]:
        """Key and size in bytes of each of a day; removing some meanwhile does no harm."""
        ...

    def remove(self, key: str) -> None:
        """Deletes an image; one that is not there is no error."""
        ...
