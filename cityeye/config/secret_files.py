"""`password_file` and its like: a secret in a file of its own, read when the configuration is read.

The value takes the place of the key, so that what follows knows no difference. No message repeats
anything of what a file holds.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cityeye.config.document import Document
from cityeye.config.problem import FILE_SUFFIX, FILED_KEYS, Key
from pipelines.delivery import expand_home

MAX_BYTES: Final = 16 * 1024
"""Largest file that is read; no secret is near it."""


def read_secret_files(document: Document, base: Path) -> None:
    """Replaces every `KEY_file` by `KEY` with the first line of the file that it names.

    Relative paths start from `base`. What cannot be used becomes a problem of the document; a file
    that everybody on this machine may read becomes a warning.
    """
    _walk(document, document.data, (), base)


def _walk(document: Document, value: Any, key: Key, base: Path) -> None:  # noqa: ANN401 - plain data
    if isinstance(value, list):
        for index, item in enumerate(value):
            _walk(document, item, (*key, index), base)
    if not isinstance(value, dict):
        return
    for name in tuple(value):
        target = name.removesuffix(FILE_SUFFIX)
        if target != name and target in FILED_KEYS:
            _replace(document, value, (*key, name), (*key, target), base)
        else:
            _walk(document, value[name], (*key, name), base)


def _replace(
    document: Document, section: dict[str, Any], key: Key, target: Key, base: Path
) -> None:
    given, name = section.pop(str(key[-1])), str(target[-1])
    document.lines[target] = document.line(key)
    if section.get(name) is not None:
        document.report(key, f"`{name}` is given too", "Remove one of the two.")
        return
    document.written[target] = key
    found = _read(base / expand_home(Path(given))) if isinstance(given, str) and given else None
    section[name] = found.secret if found else ""
    if found is None:
        document.report(key, "the value is not the path of a file", "Name a file.")
    elif found.fault:
        document.report(key, found.fault, "Name a file with the secret in its only line.")
    elif found.mode & stat.S_IWOTH:
        remedy = "Take that right away: chmod 600."
        document.report(key, "everybody on this machine may write the file", remedy)
    elif found.mode & stat.S_IROTH:
        remedy = "Take that right away: chmod 600."
        document.warn(key, "everybody on this machine may read the file", remedy)


@dataclass(frozen=True, slots=True)
class _SecretFile:
    """What a file holds. Its `repr` shows nothing of it.

    Attributes:
        secret: Its only line, empty where it cannot be used.
        fault: Why it cannot be used, empty where it can.
        mode: Its type and rights.
    """

    secret: str = field(default="", repr=False)
    fault: str = ""
    mode: int = 0


def _read(path: Path) -> _SecretFile:
    try:
        raw, mode = _contents(path)
        text = raw.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        return _SecretFile(fault=f"the file cannot be read: {reason}")
    except ValueError:
        return _SecretFile(fault="the file is not UTF-8 text, or its name is none of a file")
    if not text or "\n" in text or len(raw) > MAX_BYTES:
        return _SecretFile(fault="the file does not hold one line")
    return _SecretFile(text, mode=mode)


def _contents(path: Path) -> tuple[bytes, int]:
    """Bytes and mode of a file.

    Raises:
        OSError: It is none, or cannot be read.
        ValueError: The path holds what no path may hold.
    """
    # A pipe without a writer must not block.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a file")
        return file.read(MAX_BYTES + 1), mode
