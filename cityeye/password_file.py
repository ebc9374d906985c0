"""A password that a command is given in a file, as arguments can be read by everybody."""

from __future__ import annotations

from pathlib import Path

from cityeye.errors import CommandError


def password_in(file: Path) -> str:
    """The password in the only line of a file.

    Raises:
        CommandError: The file cannot be read.
    """
    try:
        return file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise CommandError(f"{file} cannot be read") from None
