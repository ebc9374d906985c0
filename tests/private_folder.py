"""A temporary folder for each test run alone, so that two runs on one machine do not meet.

Everything that asks for a temporary folder gets one in it: this process, what it starts, the
sandbox, and Ray with its sockets and logs. It is short, as the path of a socket may have 107 bytes.
Folders of `tmp_path` stay where pytest keeps them, a few runs long.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

OLD = ("TMPDIR", "PYTEST_DEBUG_TEMPROOT")


def pytest_configure(config: pytest.Config) -> None:
    before = {name: os.environ.get(name) for name in OLD}
    shared = tempfile.gettempdir()
    worker: dict[str, str] | None = getattr(config, "workerinput", None)
    if worker is None:
        private = tempfile.mkdtemp(prefix="ct-")
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", shared)
    else:
        private = str(Path(shared, worker["workerid"]))
        os.mkdir(private)
    os.environ["TMPDIR"] = private
    tempfile.tempdir = None

    def restore() -> None:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        tempfile.tempdir = None
        shutil.rmtree(private, ignore_errors=True)
        # A library may have written between the last look and the removal of the folder.
        atexit.register(shutil.rmtree, private, ignore_errors=True)

    config.add_cleanup(restore)
