"""Logging of the whole process: one line per record, for people or as JSON, never with a login.

Code below the command line logs stable event names with facts in `extra`. Whatever a third party
puts into a message or a traceback, a login in a URL is blacked out before a line is written; our
own code keeps logins out of its messages in the first place.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
from datetime import UTC, datetime
from enum import StrEnum
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

URL_LOGIN = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#'\"<>]*(?:/[^\s@'\"<>]*)?@")
PASSWORD_FIELD = re.compile(r"(?i)\b(?P<name>pass(?:word|wd)?|pwd|secret|token)=[^\s&'\";,)_]+")
STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {
    "asctime",
    "color_message",  # uvicorn's message once more, for terminals
    "message",
    "taskName",
}
LEVEL_WIDTH = 7
LOG_FILE_BYTES = 5 * 1024 * 1024
LOG_FILES_KEPT = 3


class LogFormat(StrEnum):
    """Format of log lines."""

    TEXT = "text"
    JSON = "json"


def redact(text: str) -> str:
    """The text without logins: `rtsp://user:pass@host/` becomes `rtsp://***@host/`."""
    text = URL_LOGIN.sub(r"\g<scheme>***@", text)
    return PASSWORD_FIELD.sub(r"\g<name>=***", text)


class TextFormatter(logging.Formatter):
    """`2026-11-27 09:30:01+08:00 INFO    pipelines.relay  relay.drained camera=gate-1 events=3`."""

    def format(self, record: logging.LogRecord) -> str:
        """One redacted line; a traceback, where there is one, on the lines after it."""
        local = datetime.fromtimestamp(record.created).astimezone()
        time = local.isoformat(sep=" ", timespec="seconds")
        facts = "".join(f" {name}={value}" for name, value in _facts(record).items())
        line = f"{time} {record.levelname:<{LEVEL_WIDTH}} {record.name}  {record.getMessage()}"
        line = f"{line}{facts}".replace("\n", " ")
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        return redact(f"{line}\n{trace}" if trace else line)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: `time`, `level`, `logger`, `event`, and the record's facts."""

    def format(self, record: logging.LogRecord) -> str:
        """One redacted line."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": redact(record.getMessage()),
        }
        for name, value in _facts(record).items():
            plain = value is None or isinstance(value, bool | int | float)
            entry.setdefault(name, value if plain else redact(str(value)))
        if record.exc_info:
            entry["traceback"] = redact(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


class _LogFile(RotatingFileHandler):
    """A log that only its owner can read. A full disk costs lines, which are counted.

    The library would keep a file that it could not close, and write nothing more.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, maxBytes=LOG_FILE_BYTES, backupCount=LOG_FILES_KEPT, encoding="utf-8", delay=True
        )
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record; says first how many could not be written before it."""
        before = self._dropped
        if before:
            facts = {"msg": "log.lines_dropped", "count": before, "levelname": "WARNING"}
            super().emit(logging.makeLogRecord({"name": __name__} | facts))
            if self._dropped > before:
                return
            self._dropped = 0
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Counts a line that the disk did not take, and opens the file anew with the next."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handleError(record)
            return
        self._dropped += 1
        stream, self.stream = self.stream, None
        with contextlib.suppress(OSError, ValueError):
            if stream is not None:
                stream.close()

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        # One that an older program made may have other rights.
        os.fchmod(descriptor, 0o600)
        return TextIOWrapper(os.fdopen(descriptor, "wb"), encoding="utf-8")


def set_up_logs(log_format: LogFormat, level: str, stream: TextIO) -> None:
    """Sends every log record and warning of the process to one stream, redacted."""
    _install(logging.StreamHandler(stream), log_format, level.upper())


def log_settings() -> tuple[LogFormat, int]:
    """Format and level of this process's log, for one that it starts."""
    root = logging.getLogger()
    as_json = any(isinstance(one.formatter, JsonFormatter) for one in root.handlers)
    return LogFormat.JSON if as_json else LogFormat.TEXT, root.level


def log_to_file(path: Path, log_format: str = LogFormat.TEXT) -> None:
    """Sends every log record of this process to a file that is bounded by rotation, redacted."""
    _install(_LogFile(path), log_format, "INFO")


def _install(handler: logging.Handler, log_format: str, level: str) -> None:
    """Makes a handler the only one of this process."""
    handler.setFormatter(JsonFormatter() if log_format == LogFormat.JSON else TextFormatter())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for chatty in ("alembic.runtime.plugins", "ray", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # Its retries are logged by whoever made the request.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)


def _facts(record: logging.LogRecord) -> dict[str, object]:
    """What a record carries beside its message; names with an underscore are a library's own."""
    facts = vars(record).items()
    return {k: v for k, v in facts if k not in STANDARD_FIELDS and not k.startswith("_")}
