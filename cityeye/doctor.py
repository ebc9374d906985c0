"""`cityeye doctor`: whether this machine has what a city needs, a line for each part of it.

Nothing is changed, and nothing is sent but one request to each store and receiver.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from cityeye.config import Config, ConfigurationError, load_config

Level = Literal["ok", "warn", "fail"]
OLDEST_PYTHON: Final = (3, 11)
LOW_DISK_BYTES: Final = 10e9
LEAST_DISK_BYTES: Final = 1e9
LEAST_MEMORY_BYTES: Final = 3e9
LEAST_SHARED_BYTES: Final = 512e6
CONNECT_S: Final = 3.0
NOT_SYNCHRONISED: Final = 5
TIMEX_BYTES: Final = 256
"""More than `struct timex` has on any Linux."""

SHARED: Final = "/dev/shm"  # noqa: S108 - where Ray keeps its objects
NO_KEYFRAME: Final = "doctor/none"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Attributes:
        subject: What was examined.
        sentence: What was found, and what to do where that is not good.
    """

    level: Level
    subject: str
    sentence: str

    def __str__(self) -> str:
        """For a terminal."""
        return f"{self.level:4}  {self.subject}: {self.sentence}"


def examine(config: Path | None, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Examines the machine, and what a configuration names where one is given."""
    for one in (_python, _program, _decoders, _models, _memory, _shared_memory, _clock):
        yield from _safely(one)
    if config is None:
        yield from _safely(lambda: _disk("disk here", Path.cwd()))
        return
    try:
        loaded = load_config(config, environment)
    except ConfigurationError as error:
        count = len(error.problems)
        what = f"{count} mistake{'s' * (count != 1)}; `cityeye check {config}` names them"
        yield Finding("fail", str(config), what)
        return
    yield Finding("ok", str(config), f"no mistake; {len(loaded.plans)} cameras")
    settings = loaded.settings
    yield from _safely(lambda: _disk("disk of the state folder", settings.state))
    if settings.keyframes.folder is not None:
        folder = settings.keyframes.folder.root
        yield from _safely(lambda: _disk("disk of the keyframes", folder))
    yield from _safely(lambda: _ports(loaded))
    yield from _safely(lambda: _repository(loaded))
    yield from _safely(lambda: _keyframe_store(loaded))
    yield from _safely(lambda: _sinks(loaded))


def _safely(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a check finds; one that breaks is a finding itself."""
    try:
        yield from check()
    except Exception as error:
        name = getattr(check, "__name__", "").strip("_<>").replace("_", " ")
        yield Finding("warn", name or "a check", f"could not be made ({type(error).__name__})")


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        yield Finding("fail", "Python", f"{version} is too old; install 3.11 or newer")
    else:
        yield Finding("ok", "Python", f"{version} on {platform.system()} {platform.machine()}")


def _program() -> Iterator[Finding]:
    for name in ("cityeye", "ray"):
        try:
            yield Finding("ok", name, metadata.version(name))
        except metadata.PackageNotFoundError:
            known = "run `make install`" if name == "ray" else "the source tree itself is run"
            yield Finding("fail" if name == "ray" else "ok", name, f"not installed; {known}")


def _decoders() -> Iterator[Finding]:
    from camera_adapters import ffmpeg_version, missing_decoders

    missing = missing_decoders()
    if missing:
        what = f"FFmpeg {ffmpeg_version()} lacks {', '.join(missing)}; install the wheel of `av`"
        yield Finding("fail", "video", what)
    else:
        yield Finding("ok", "video", f"FFmpeg {ffmpeg_version()} decodes H.264, H.265 and JPEG")


def _models() -> Iterator[Finding]:
    from models import BUILTIN_ROOT, Detector, ModelRepository

    package = ModelRepository(BUILTIN_ROOT).find("traffic")
    detector = Detector(package, threads=1, provider="auto")
    yield Finding("ok", "models", f"{package} runs on {detector.provider}")


def _memory() -> Iterator[Finding]:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    said = f"{total / 1e9:.1f} GB, {os.cpu_count()} processors"
    if total < LEAST_MEMORY_BYTES:
        yield Finding("warn", "memory", f"{said}; a city with four cameras takes about 3 GB")
    else:
        yield Finding("ok", "memory", f"{said}, {free / 1e9:.1f} GB not in use at all")


def _shared_memory() -> Iterator[Finding]:
    free = shutil.disk_usage(SHARED).free
    if free < LEAST_SHARED_BYTES:
        what = f"{SHARED} has {free / 1e6:.0f} MB, Ray wants 512; in a container: --shm-size=1g"
        yield Finding("warn", "shared memory", what)
    else:
        yield Finding("ok", "shared memory", f"{SHARED} has {free / 1e9:.1f} GB")


def _clock() -> Iterator[Finding]:
    library = ctypes.CDLL(None, use_errno=True)
    state = library.adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    if state == NOT_SYNCHRONISED:
        what = "nobody keeps it right; start chrony or systemd-timesyncd, as events are dated by it"
        yield Finding("warn", "clock", what)
    elif state < 0:
        yield Finding("warn", "clock", "the system does not say whether it is kept right")
    else:
        yield Finding("ok", "clock", "it is kept right by a time service")


def _disk(subject: str, folder: Path) -> Iterator[Finding]:
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if not os.access(there, os.W_OK):
        yield Finding("fail", subject, f"{there} cannot be written; give this user the right to")
        return
    free = shutil.disk_usage(there).free
    said = f"{free / 1e9:.1f} GB free at {there}"
    if free < LEAST_DISK_BYTES:
        yield Finding("fail", subject, f"{said}; make room, or evidence will be lost")
    elif free < LOW_DISK_BYTES:
        yield Finding("warn", subject, f"{said}; see `retention` for how much is kept")
    else:
        yield Finding("ok", subject, said)


def _ports(config: Config) -> Iterator[Finding]:
    runs = _city_runs(config)
    for name, section in (("api", config.settings.api), ("hub", config.settings.hub)):
        if section is None or section.port == 0:
            continue
        subject = f"port of `{name}`"
        address = (section.host, section.port)
        family = socket.AF_INET6 if ":" in section.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                yield _taken(subject, section.port, error, runs=runs)
            else:
                yield Finding("ok", subject, f"{section.host}:{section.port} is free")


def _taken(subject: str, port: int, error: OSError, *, runs: bool) -> Finding:
    if error.errno == errno.EADDRINUSE and runs:
        return Finding("ok", subject, f"{port} is in use while the city of this file runs")
    if error.errno == errno.EADDRINUSE:
        return Finding("fail", subject, f"{port} is taken by another program; choose another one")
    reason = (error.strerror or "it is refused").lower()
    return Finding("fail", subject, f"{port} cannot be used: {reason}")


def _city_runs(config: Config) -> bool:
    from serving import CityAwayError, ask_city

    try:
        return bool(ask_city(config.settings.state, {"ask": "versions"}))
    except (CityAwayError, PermissionError):
        return False


def _repository(config: Config) -> Iterator[Finding]:
    from models import ModelError

    try:
        repository = config.settings.models.source.open()
        names = repository.names()
    except ModelError as error:
        yield Finding("fail", "model packages", str(error))
        return
    yield Finding("ok", "model packages", f"{', '.join(names) or 'none'} in {repository}")


def _keyframe_store(config: Config) -> Iterator[Finding]:
    from pipelines import KeyframeMissing, StoreError

    if config.settings.keyframes.s3 is None:
        return
    try:
        config.settings.keyframes.open().get(NO_KEYFRAME)
    except KeyframeMissing:
        yield Finding("ok", "keyframe store", "it answers")
    except StoreError as error:
        yield Finding("fail", "keyframe store", str(error))


def _sinks(config: Config) -> Iterator[Finding]:
    for number, sink in enumerate(config.settings.sinks, 1):
        subject = f"sink {number}"
        url = getattr(sink, "url", None)
        if not isinstance(url, str):
            yield Finding("ok", subject, "a broker; it is tried when the city runs")
            continue
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname or "", port), CONNECT_S).close()
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            what = f"{parts.hostname}:{port} does not answer ({reason}); events would wait"
            yield Finding("fail", subject, what)
        else:
            yield Finding("ok", subject, f"{parts.hostname}:{port} answers")
