"""A log on a disk that is full for a while; see `tests.small_disk`."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from cityeye.logs import log_to_file
from tests import small_disk


def full(folder: Path) -> None:
    """Lines that the disk did not take are counted, also over a change of the file."""
    log_to_file(folder / "worker.log")
    log = logging.getLogger("worker")
    log.info("before")
    filler = small_disk.fill(folder)
    stderr = os.dup(2)
    with (folder.parent / "stderr").open("w+b") as captured:
        os.dup2(captured.fileno(), 2)
        for number in range(400):
            log.info("during", extra={"number": number, "text": "x" * 100})
        sys.stderr.flush()
        os.dup2(stderr, 2)
        assert captured.tell() == 0, "a traceback for every line"
    filler.unlink()
    log.info("after")
    log.info("later")
    lines = (folder / "worker.log").read_text("utf-8").splitlines()
    assert lines[0].endswith("before")
    assert lines[-2].endswith("after")
    assert lines[-1].endswith("later")
    assert "log.lines_dropped count=" in lines[-3]
    dropped = int(lines[-3].rpartition("=")[2])
    kept = sum("during number=" in line for line in lines)
    assert dropped > 300
    assert kept + dropped >= 400


SCENARIOS: dict[str, object] = {"full": full}

if __name__ == "__main__":
    small_disk.main(SCENARIOS)
