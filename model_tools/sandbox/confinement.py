"""Confinement: a process gives up, for good, what it will not need.

Resource limits always hold. Landlock, where the kernel has it, takes away writing outside the given
folders, starting programs, TCP, and signals to other processes; `man 7 landlock` has the calls.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1024 * 1024

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_EXECUTE = 1 << 0
_WRITE_FILE = 1 << 1
_CHANGE_FOLDERS = sum(1 << bit for bit in range(4, 13))
"""Removing and making files and folders of every kind."""
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_BIND_AND_CONNECT_TCP = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11
_DEVICES = ("/dev/null", "/dev/zero")
_GPU_PLACES = ("/dev", "/proc")


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What a sandboxed process may use up.

    Attributes:
        memory_mb: Its heap and all its private writable memory, in MiB.
        step_s: Wall-clock seconds for a step that asks for no other time.
        total_s: Wall-clock seconds from start to end, and processor seconds per thread.
        threads: Threads of numeric libraries.
        file_mb: Size of a file that it writes, in MiB.
        open_files: File descriptors.
        niceness: Added to the priority value of the caller.
    """

    memory_mb: int = 3072
    step_s: float = 10.0
    total_s: float = 180.0
    threads: int = 1
    file_mb: int = 64
    open_files: int = 256
    niceness: int = 5


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def confine(limits: SandboxLimits, writable: Sequence[Path], *, gpu: bool = False) -> int:
    """Confines this process and all its children; there is no way back.

    Args:
        limits: What it may use up.
        writable: Folders in which it may write.
        gpu: Leave the ways to a GPU open.

    Returns:
        The version of Landlock that holds, 0 where there is none.
    """
    os.umask(0o077)
    os.nice(limits.niceness)
    _limit_resources(limits)
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return _landlock(libc, [*writable, *(map(Path, _GPU_PLACES if gpu else _DEVICES))])


def _limit_resources(limits: SandboxLimits) -> None:
    # Not the address space: numpy, ONNX Runtime and CUDA reserve much more than they use.
    _lower(resource.RLIMIT_DATA, limits.memory_mb * MEGABYTE)
    processor_s = int(limits.total_s * max(limits.threads, 1)) + 1
    # Two seconds between the signal that has a name and the one that is like any other.
    _lower(resource.RLIMIT_CPU, processor_s, processor_s + 2)
    _lower(resource.RLIMIT_FSIZE, limits.file_mb * MEGABYTE)
    _lower(resource.RLIMIT_NOFILE, limits.open_files)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(kind: int, soft: int, hard: int | None = None) -> None:
    _, highest = resource.getrlimit(kind)
    wanted = soft if hard is None else hard
    hard = wanted if highest == resource.RLIM_INFINITY else min(wanted, highest)
    resource.setrlimit(kind, (min(soft, hard), hard))


def _landlock(libc: ctypes.CDLL, writable: Sequence[Path]) -> int:
    version = int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG))
    if version < 1:
        return 0
    files = _EXECUTE | _WRITE_FILE | _CHANGE_FOLDERS
    files |= _REFER if version >= 2 else 0  # noqa: PLR2004
    files |= _TRUNCATE if version >= 3 else 0  # noqa: PLR2004
    wanted = _Ruleset(
        files,
        _BIND_AND_CONNECT_TCP if version >= 4 else 0,  # noqa: PLR2004
        _ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0,  # noqa: PLR2004
    )
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    ruleset = int(libc.syscall(_CREATE_RULESET, ctypes.byref(wanted), size, 0))
    if ruleset < 0:
        return 0
    try:
        for place in writable:
            _allow(libc, ruleset, place, files & ~_EXECUTE)
        return version if libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0 else 0
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, place: Path, access: int) -> None:
    try:
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        allowed = access if place.is_dir() else access & (_WRITE_FILE | _TRUNCATE)
        rule = _PathRule(allowed, descriptor)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)
