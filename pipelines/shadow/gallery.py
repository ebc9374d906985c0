"""`Gallery`: a bounded folder of images for people; the oldest go first.

Not evidence: images here may be lost, and nothing waits for them.
"""

from __future__ import annotations

import contextlib
import logging
import re
from pathlib import Path

log = logging.getLogger(__name__)

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.jpg")


class Gallery:
    """Keeps the newest `most` images of a folder. One thread puts, any thread reads."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most

    def put(self, name: str, jpeg: bytes) -> None:
        """Keeps an image under a file name of safe characters; trouble with the disk is logged."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / name).write_bytes(jpeg)
            for old in self._by_age()[: -self._most]:
                old.unlink(missing_ok=True)
        except OSError as error:
            log.warning("gallery_put_failed", extra={"image": name, "reason": str(error)})

    def read(self, name: str) -> bytes | None:
        """An image, None where there is none of this name."""
        if not SAFE_NAME.fullmatch(name):
            return None
        with contextlib.suppress(OSError):
            return (self._folder / name).read_bytes()
        return None

    def _by_age(self) -> list[Path]:
        ages = []
        for path in self._folder.glob("*.jpg") if self._folder.is_dir() else ():
            with contextlib.suppress(OSError):
                ages.append((path.stat().st_mtime_ns, path.name, path))
        return [path for _, _, path in sorted(ages)]
