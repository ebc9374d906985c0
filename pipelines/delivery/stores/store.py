"""`KeyframeStore`: what the relay needs from a place where keyframes are kept."""

from __future__ import annotations

from typing import Protocol


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
