"""How much memory a process has needed at most, and what it wrote for all to read."""

from __future__ import annotations

import re
import stat
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


def open_to_others(folder: Path) -> list[str]:
    """What in a folder, or the folder itself, others than its owner may read or write."""
    return [
        f"{oct(stat.S_IMODE(one.lstat().st_mode))} {one}"
        for one in (folder, *sorted(folder.rglob("*")))
        if one.lstat().st_mode & 0o077
    ]
