"""A disk of a few MiB for one process: a tmpfs in a mount namespace of its own.

`run` starts `python -m MODULE SCENARIO FOLDER`, whose folder is that disk; what is left of it goes
with the process. Rights do not stop a test that runs as root: a disk that is full, or mounted so
that nobody may write, does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MIB = 1024 * 1024


def run(module: str, scenario: str, folder: Path, size: str = "24m") -> None:
    """Runs a function of a module with a small disk as its folder; it fails where that raises."""
    script = f'mount -t tmpfs -o size={size},mode=755 tmpfs "$1" && exec "$2" -m "$3" "$4" "$1"'
    command = ["unshare", "-m", "sh", "-c", script, "sh"]
    done = subprocess.run(
        [*command, str(folder), sys.executable, module, scenario],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if "mount" in done.stderr.split(":")[0] or "unshare" in done.stderr.split(":")[0]:
        pytest.skip(f"a mount namespace needs root: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr


def main(scenarios: dict[str, object]) -> None:
    """Runs the scenario that the command line names."""
    scenario = scenarios[sys.argv[1]]
    assert callable(scenario)
    scenario(Path(sys.argv[2]))


def fill(folder: Path) -> Path:
    """Fills the disk to its last byte; give the file back to `os.unlink` to end that."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (MIB, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    assert not is_writable(folder)
    return path


def is_writable(folder: Path) -> bool:
    probe = folder / "probe"
    try:
        probe.write_bytes(b"x")
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True


def set_read_only(folder: Path, read_only: bool) -> None:
    """Mounts the disk anew; no file on it may be open for writing."""
    how = "ro" if read_only else "rw"
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)
    assert os.statvfs(folder).f_flag & os.ST_RDONLY == (os.ST_RDONLY if read_only else 0)
