"""`KeyframeStore`: what the relay needs from a place where keyframes are kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Protocol

from pipelines.keyframe_key import KEY_PREFIX


def day_of(prefix: str) -> date | None:
    """The day of a prefix like `kf-30d/v1/2026/03/04`, with or without `/`; None for others."""
    try:
        year, month, day = prefix.removeprefix(KEY_PREFIX).strip("/").split("/")
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def prefix_of(day: date) -> str:
    """Where the images of a day lie."""
    return f"{KEY_PREFIX}{day:%Y/%m/%d}/"


class KeyframeStore(Protocol):
    """Keeps images by key. Every call ends within the store's own timeouts.

    All methods raise `StoreUnavailable` where trying again later may help, and `StoreRefused` where
    a person has to change something first.
    """

    def put(self, key: str, data: bytes, sha256: str, media_type: str) -> None:
        """Stores an image; after it returns the whole image is there. Idempotent.

        Args:
            key: Relative path of safe parts.
            data: The file.
            sha256: Hex digest that `data` must have.
            media_type: `image/jpeg`.

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

    def days(self) -> Iterable[date]:
        """The days of which there are images, UTC, as `keyframe_key` names them."""
        ...

    def of_day(self, day: date) -> Iterable[tuple[str, int]]:
        """Key and size in bytes of each image of a day; removing some meanwhile does no harm."""
        ...

    def remove(self, key: str) -> None:
        """Deletes an image; one that is not there is no error."""
        ...
