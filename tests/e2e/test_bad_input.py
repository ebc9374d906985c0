"""What goes wrong in the field: each mistake gets one sentence, and the other cameras go on.

Ctrl-C ends the city with its one good and three bad cameras; what SIGTERM does is seen at the end
of `test_running_changes`.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

import models
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import write_clip
from tests.e2e.command import Running, auth_of, cityeye, free_ports, last_states, read_json

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(420)]

BUILTIN = Path(models.__file__).parent / "builtin"
WRONG = "canary-Pa55/word@:%"
ENOUGH = 20


def city(cameras: list[dict[str, Any]], **sections: Any) -> dict[str, Any]:
    hub, api = free_ports(2)
    return {
        "cameras": [{"tasks": {"crowding": {"model": "crowding", "fps": 5}}} | c for c in cameras],
        "hub": {"port": hub},
        "api": {"port": api},
        "models": {"detector": "in_process", "threads": 1},
        **sections,
    }


def write(folder: Path, document: dict[str, Any]) -> str:
    path = folder / "city.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(path)


SAID = (
    "camera good is online",
    "camera locked is unauthorized",
    "camera dead is offline",
    "camera text is offline",
)


@dataclass(frozen=True)
class Ended:
    """A city that was ended by Ctrl-C: what it said, and what was left of it."""

    status: int
    output: str
    report: Any
    left: list[psutil.Process]
    states: dict[str, str]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    """One run with a good camera among three bad ones."""
    folder = tmp_path_factory.mktemp("city")
    clip = write_clip(folder / "clip.mp4")
    (folder / "text.mp4").write_text("This is a shopping list, not a film.\n" * 50)
    users = {"viewer": "right"}
    mounts = [Mount(name, clip.path, users=users, auth="digest") for name in ("good", "locked")]
    with RtspServerThread(mounts) as server:
        document = city(
            [
                {
                    "id": "good",
                    "source": server.url("good"),
                    "username": "viewer",
                    "password": "right",
                },
                {
                    "id": "locked",
                    "source": server.url("locked"),
                    "username": "viewer",
                    "password": WRONG,
                },
                {"id": "dead", "source": f"rtsp://127.0.0.1:{free_ports(1)[0]}/none"},
                {"id": "text", "source": "text.mp4"},
            ]
        )
        write(folder, document)
        running = Running(folder, "--json", "out.json")
        try:
            running.wait(lambda: all(said in running.output for said in SAID), "all states")
            api = f"http://127.0.0.1:{document['api']['port']}"
            running.wait(lambda: analysed(api, folder / "var") > ENOUGH, "frames with results")
            left = running.end(signal.SIGINT)
        finally:
            if running.process.poll() is None:
                running.process.kill()
        yield Ended(
            running.process.wait(),
            running.output,
            read_json(folder / "out.json"),
            left,
            dict(last_states(folder / "var" / "hub.db")),
        )


def analysed(api: str, state: Path) -> int:
    """How many frames of the good camera have a result; 0 while nobody answers."""
    request = urllib.request.Request(f"{api}/cameras/good", headers=auth_of(state))
    with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10) as answer:
        return int(json.load(answer)["analysed"] or 0)
    return 0


@pytest.mark.parametrize(
    ("camera", "state"),
    [("good", "online"), ("locked", "unauthorized"), ("dead", "offline"), ("text", "offline")],
)
def test_each_camera_has_its_state(ended: Ended, camera: str, state: str) -> None:
    assert ended.report["cameras"][camera]["state"] == state


@pytest.mark.parametrize("camera", ["locked", "dead", "text"])
def test_each_bad_camera_is_explained_in_one_sentence(ended: Ended, camera: str) -> None:
    reason = ended.report["cameras"][camera]["reason"]
    assert len(reason) > 5
    assert "\n" not in reason
    assert re.search(rf"camera {camera} is (offline|unauthorized): ", ended.output)


def test_the_good_camera_goes_on(ended: Ended) -> None:
    assert ended.report["cameras"]["good"]["analysed"] > ENOUGH


def test_nothing_is_a_traceback_and_no_password_is_shown(ended: Ended) -> None:
    assert "Traceback" not in ended.output
    for secret in (WRONG, "canary", "Pa55"):
        assert secret not in ended.output
        assert secret not in str(ended.report)


def test_ctrl_c_ends_everything_and_says_what_became_of_the_cameras(ended: Ended) -> None:
    assert ended.status == 0, ended.output
    assert ended.left == []
    assert "done: no incident" in ended.output
    assert ended.states == dict.fromkeys(("good", "locked", "dead", "text"), "stopped")


def test_a_corrupt_model_stops_the_run_with_a_sentence(tmp_path: Path) -> None:
    shutil.copytree(BUILTIN, tmp_path / "packages")
    (tmp_path / "packages" / "crowding" / "1" / "model.onnx").write_bytes(b"\x00not a model")
    write_clip(tmp_path / "clip.mp4")
    document = city([{"id": "gate", "source": "clip.mp4"}], models={"path": "packages"})
    done = cityeye("run", write(tmp_path, document), folder=tmp_path)
    assert done.status != 0
    assert done.said(r"crowding/1.*sha256")
    assert not done.said("Traceback")


def test_a_zone_outside_the_image_stops_the_run_with_key_line_and_remedy(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4")
    camera = {
        "id": "gate",
        "source": "clip.mp4",
        "zones": {"yard": [[0.1, 0.1], [1.4, 0.1], [0.5, 0.9]]},
    }
    done = cityeye("run", write(tmp_path, city([camera])), folder=tmp_path)
    assert done.status != 0
    assert done.said(r"line \d+|:\d+:")
    assert done.said(r"zones\.yard")
    assert not done.said("Traceback")
