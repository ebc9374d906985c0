"""`cityeye.analyse`, and the example of its page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import cityeye
from camera_adapters import CameraFault
from cityeye.errors import CommandError
from tests.camera_adapters.clips import TinyClip, write_clip
from tests.serving.packages import brightness_package

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.fixture
def clip(tmp_path: Path) -> TinyClip:
    return write_clip(tmp_path / "gate.mp4", width=640, height=480)


@pytest.fixture
def city(tmp_path: Path) -> str:
    """A camera that finds a crowd wherever there is one person."""
    brightness_package(tmp_path / "packages")
    rule = {"crowding.density": {"min_persons": 1, "confirm_s": 0.6, "expire_s": 1}}
    camera = {
        "id": "gate",
        "source": "rtsp://192.0.2.1/live",
        "zones": {"square": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]},
        "tasks": {
            "crowding": {"model": "brightness", "fps": 5, "rules": rule, "zones": ["square"]}
        },
    }
    document = {"cameras": [camera], "models": {"path": str(tmp_path / "packages")}, "hub": {}}
    path = tmp_path / "city.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return f"{path}#gate"


def test_tracks_and_incidents_of_a_configured_camera(clip, city):
    frames = list(cityeye.analyse(clip.path, city))
    *analysed, end = frames
    assert [round(one.at_s, 1) for one in analysed[:3]] == [0.0, 0.2, 0.4]
    assert {track.label for one in analysed for track in one.tracks} == {"person"}
    changes = [change for one in frames for change in one.transitions]
    assert [str(one.phase) for one in changes] == ["started", "ended"]
    assert (changes[0].incident.kind, changes[0].incident.zone) == ("crowding.density", "square")
    image = analysed[0].image()
    assert image is not None
    assert image.shape == (480, 640, 3)
    assert (end.image(), end.tracks) == (None, ())


def test_it_stops_where_its_caller_does(clip, city):
    frames = cityeye.analyse(str(clip.path), city)
    assert next(frames).at_s == 0.0
    frames.close()
    assert list(frames) == []


def test_what_is_not_there_is_named(clip, city, tmp_path):
    with pytest.raises(CommandError, match="has no camera yard"):
        next(cityeye.analyse(clip.path, city.replace("#gate", "#yard")))
    with pytest.raises(CameraFault, match="gate"):
        next(cityeye.analyse(tmp_path / "none.mp4", city))


@pytest.mark.slow
def test_the_example_of_the_page_runs(clip):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    ran = subprocess.run(
        [sys.executable, "-c", example],
        cwd=clip.path.parent,
        env={"PYTHONPATH": str(PAGE.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"^\d+ objects were followed$", ran.stdout, re.MULTILINE)


def test_the_page_names_what_there_is():
    named = re.findall(r"^\| `(\w+)(?:\(\))?` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert set(named) == {name for name in dir(cityeye.AnalysedFrame) if not name.startswith("_")}
