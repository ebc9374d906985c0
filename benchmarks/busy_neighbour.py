"""A process beside a contestant that takes all it can get of one core."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def busy_neighbour() -> Iterator[None]:
    """A process that never waits."""
    spinning = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(10**6))"
    process = subprocess.Popen([sys.executable, "-c", spinning], start_new_session=True)
    try:
        yield
    finally:
        process.kill()
        process.wait()
