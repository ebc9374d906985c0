"""The spool: keyframes on local disk until the store has them.

What `put` returned from survives a power loss, and the folder never outgrows its bounds.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from pipelines.access import PART_SUFFIX
from pipelines.delivery.durable import (
    PASSING,
    check_digest,
    private_folder,
    write_durably,
)
from pipelines.errors import KeyframeAltered, SpoolDamaged, SpoolFull, SpoolUnavailable

log = logging.getLogger(__name__)

MEBIBYTE = 1024 * 1024

PROBE_BYTES = 64 * 1024

VERSION = 1
VERSION_FILE = ".schema_version"
"""A folder without it was written before versions were kept, and has version 1."""


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Bounds of a spool.

    Attributes:
        max_bytes: Sum of all images.
        max_files: Number of images.
        min_free_bytes: Left to others, the outbox first, on the same disk.
    """

    max_bytes: int = 2048 * MEBIBYTE
    max_files: int = 20_000
    min_free_bytes: int = 256 * MEBIBYTE


class Spool:
    """A folder of images by file name. Safe for use from several threads."""

    def __init__(self, path: Path, limits: SpoolLimits | None = None) -> None:
        """Creates or opens the folder and removes files that never became whole.

        Where the disk does not let it now, that is done with the next image.

        Raises:
            SpoolUnavailable: A newer program wrote the folder, or it cannot be there.
        """
        self._path = path
        self._limits = limits or SpoolLimits()
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        self._opened = False
        self.fault = ""
        """Why the last image could not be kept, empty where it could."""
        try:
            self._open()
        except OSError as error:
            if error.errno not in PASSING:
                raise self._unavailable(error) from error
            self.fault = str(self._unavailable(error))
            log.error("spool.not_open", extra={"error": self.fault})

    def _open(self) -> None:
        private_folder(self._path)
        for part in self._path.glob(f"*{PART_SUFFIX}"):
            with contextlib.suppress(OSError):
                part.unlink()
        self._check_version()
        files = [file for file in self._path.iterdir() if file.name != VERSION_FILE]
        self._sizes = {file.name: file.stat().st_size for file in files}
        self._bytes = sum(self._sizes.values())
        self._opened = True

    @property
    def used_bytes(self) -> int:
        """Sum of all images."""
        return self._bytes

    def names(self) -> frozenset[str]:
        """All images in the spool."""
        with self._lock:
            return frozenset(self._sizes)

    def put(self, name: str, data: bytes) -> None:
        """Makes an image durable.

        Raises:
            SpoolFull: A bound is reached.
            SpoolUnavailable: The folder cannot be written.
        """
        with self._lock:
            if name in self._sizes:
                return
            try:
                if not self._opened:
                    self._open()
                self._check_room(len(data))
                write_durably(self._path / name, data)
            except OSError as error:
                unavailable = self._unavailable(error)
                self.fault = str(unavailable)
                raise unavailable from error
            except SpoolFull as error:
                self.fault = str(error)
                raise
            self.fault = ""
            self._sizes[name] = len(data)
            self._bytes += len(data)

    def check(self) -> None:
        """Finds out whether what kept the last image out is over, where something did."""
        with self._lock:
            if not self.fault:
                return
            probe = self._path / f"probe{PART_SUFFIX}"
            try:
                if not self._opened:
                    self._open()
                self._check_room(PROBE_BYTES)
                write_durably(probe, bytes(PROBE_BYTES))
                probe.unlink()
            except (OSError, SpoolFull):
                return
            self.fault = ""

    def read(self, name: str, sha256: str) -> bytes:
        """The image, checked.

        Raises:
            SpoolDamaged: It is gone or does not match `sha256`.
            SpoolUnavailable: The disk does not answer.
        """
        try:
            data = (self._path / name).read_bytes()
        except FileNotFoundError:
            raise SpoolDamaged(f"{name} is not in the spool {self._path}") from None
        except OSError as error:
            raise self._unavailable(error) from error
        try:
            check_digest(f"{name} in the spool {self._path}", data, sha256)
        except KeyframeAltered as error:
            raise SpoolDamaged(str(error)) from None
        return data

    def remove(self, name: str) -> None:
        """Forgets an image; one that is not there is no error."""
        with self._lock:
            try:
                (self._path / name).unlink(missing_ok=True)
            except OSError as error:
                # The start-up scan gets another chance; until then the bytes stay counted.
                log.warning("spool.remove_failed", extra={"file": name, "error": str(error)})
                return
            self._bytes -= self._sizes.pop(name, 0)

    def _check_version(self) -> None:
        file = self._path / VERSION_FILE
        if not file.exists():
            # A full disk must not keep the worker from starting.
            with contextlib.suppress(OSError):
                write_durably(file, f"{VERSION}\n".encode())
        elif (found := file.read_bytes().strip()).isdigit() and int(found) > VERSION:
            raise SpoolUnavailable(
                f"the spool {self._path} has schema version {int(found)}, this program knows"
                f" {VERSION}; run the program that wrote it until it is drained, or move the folder"
                " away"
            )

    def _check_room(self, size: int) -> None:
        limits = self._limits
        if self._bytes + size > limits.max_bytes or len(self._sizes) >= limits.max_files:
            raise SpoolFull(
                f"the spool {self._path} holds {len(self._sizes)} images, {self._bytes} bytes:"
                " bring the keyframe store back, or raise its bounds"
            )
        free = shutil.disk_usage(self._path).free
        if free - size < limits.min_free_bytes:
            raise SpoolFull(f"the disk of the spool {self._path} has {free} bytes left: free some")

    def _unavailable(self, error: OSError) -> SpoolUnavailable:
        return SpoolUnavailable(
            f"the spool {self._path} cannot be used: {error.strerror}; check the disk and rights"
        )
