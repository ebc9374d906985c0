"""`SandboxLimits`: what a sandboxed process may use up."""

from __future__ import annotations

from dataclasses import dataclass


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
