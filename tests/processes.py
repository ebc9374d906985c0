"""How much memory a process has needed at most."""

from __future__ import annotations

import re
from pathlib import Path


def peak_mib(pid: int) -> float:
    """The largest resident memory since the start, or since it was reset."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    assert found, f"process {pid} has no memory"
    return int(found[1]) / 1024


def reset_peak(pid: int) -> float:
    """From now on the peak counts anew; gives what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    return peak_mib(pid)
