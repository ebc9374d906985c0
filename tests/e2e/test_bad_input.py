"""What goes wrong in the field: each mistake gets one sentence, and the other cameras go on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import models
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import write_clip
from tests.e2e.command import Ran, cityeye, free_ports, read_json

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(420)]

BUILTIN = Path(models.__file__).parent / "builtin"
WRONG = "canary-Pa55/word@:%"


def city(cameras: list[dict[str, Any]], **sections: Any) -> dict[str, Any]:
    hub, api = free_ports(2)
    return {
        "cameras": [{"tasks": {"crowding": {"model": "crowding", "fps": 5}}} | c for c in cameras],
        "hub": {"port": hub},
        "api": {"port": api},
        **sections,
    }


def write(folder: Path, document: dict[str, Any]) -> str:
    path = folder / "city.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ran, Any]]:
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
        path = write(folder, document)
        done = cityeye("run", path, "--duration", "12", "--json", "out.json", folder=folder)
        yield done, read_json(folder / "out.json")


@pytest.mark.parametrize(
    ("camera", "state"),
    [("good", "online"), ("locked", "unauthorized"), ("dead", "offline"), ("text", "offline")],
)
def test_each_camera_has_its_state(ran: tuple[Ran, Any], camera: str, state: str) -> None:
    assert ran[1]["cameras"][camera]["state"] == state


@pytest.mark.parametrize("camera", ["locked", "dead", "text"])
def test_each_bad_camera_is_explained_in_one_sentence(ran: tuple[Ran, Any], camera: str) -> None:
    reason = ran[1]["cameras"][camera]["reason"]
    assert len(reason) > 5
    assert "\n" not in reason
    assert ran[0].said(rf"camera {camera} is (offline|unauthorized): ")


def test_the_good_camera_goes_on(ran: tuple[Ran, Any]) -> None:
    assert ran[0].status == 0
    assert ran[1]["cameras"]["good"]["analysed"] > 20


def test_nothing_is_a_traceback_and_no_password_is_shown(ran: tuple[Ran, Any]) -> None:
    assert not ran[0].said("Traceback")
    for secret in (WRONG, "canary", "Pa55"):
        assert secret not in ran[0].output
        assert secret not in str(ran[1])


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
