"""A stop from outside: everything that was started ends, and what was open is told to be over."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import yaml

from tests.camera_adapters.clips import write_clip
from tests.e2e.command import free_ports
from tests.processes import open_to_others

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]

START_S = 180.0
STOP_S = 60.0


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def last_states(database: Path) -> list[tuple[str, str]]:
    """What the hub would show of each camera when it is started again."""
    with closing(sqlite3.connect(database)) as file:
        return file.execute("SELECT camera, state FROM camera_states").fetchall()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_ends_everything_that_was_started(tmp_path: Path, number: int) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    hub, api = free_ports(2)
    document = {
        "cameras": [
            {
                "id": "gate",
                "source": f"{clip.path.as_uri()}?realtime=1&loop=1",
                "tasks": {"crowding": {"model": "crowding", "fps": 5}},
            }
        ],
        "hub": {"port": hub},
        "api": {"port": api},
    }
    (tmp_path / "city.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    output = tmp_path / "output.txt"
    with output.open("w") as stream:
        city = subprocess.Popen(
            [sys.executable, "-m", "cityeye", "run", "city.yaml"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0,
        )
    try:
        deadline = time.monotonic() + START_S
        while "camera gate is online" not in output.read_text():
            assert city.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.2)
        started = descendants(city.pid)
        assert len(started) > 3
        city.send_signal(number)
        assert city.wait(STOP_S) == 0
        _, left = psutil.wait_procs(started, timeout=10)
        assert not left
        assert "Traceback" not in output.read_text()
        assert "done: no incident" in output.read_text()
        assert last_states(tmp_path / "var" / "hub.db") == [("gate", "stopped")]
        assert open_to_others(tmp_path / "var") == []
    finally:
        if city.poll() is None:
            city.kill()
            city.wait()
