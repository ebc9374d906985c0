"""`cityeye replay`: the same bytes every time, and a video that shows what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import yaml

from cityeye.cli import main
from cityeye.model_place import cache_folder
from cityeye.replay_camera import CameraChoice, chosen_camera
from pipelines.replay.drawing import PANEL_PX
from pipelines.rules import RULES
from serving.in_process import LoadedModel
from simulation import ensure_clips
from simulation.scenes import scene_named
from tests.camera_adapters.clips import TinyClip, write_clip
from tests.camera_adapters.recordings import write_images
from tests.serving.packages import BOX, SIZE, brightness_package

GREEN = (64, 224, 64)
ROUND = {"min_persons": 1, "confirm_s": 0.6, "expire_s": 1}


@pytest.fixture
def clip(tmp_path: Path) -> TinyClip:
    return write_clip(tmp_path / "yard.mp4", width=640, height=480)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    root = tmp_path / "packages"
    brightness_package(root)
    return root


@pytest.fixture
def city(tmp_path: Path, packages: Path) -> Path:
    """Two cameras of which one finds a crowd wherever there is one person."""
    crowding = {"model": "brightness", "fps": 5, "rules": {"crowding.density": ROUND}}
    zones = {"square": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]}
    cameras = [
        {
            "id": "gate",
            "source": "rtsp://192.0.2.1/live",
            "username": "viewer",
            "password": "${GATE}",
            "zones": zones,
            "tasks": {"crowding": {**crowding, "zones": ["square"]}},
        },
        {"id": "yard", "source": "rtsp://192.0.2.2/live", "tasks": {"crowding": crowding}},
    ]
    document = {"cameras": cameras, "models": {"path": str(packages)}, "hub": {}}
    path = tmp_path / "city.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def replayed(clip: Path, packages: Path, out: Path, *more: str) -> bytes:
    arguments = ["replay", str(clip), "--camera", "brightness", "--path", str(packages)]
    assert main([*arguments, "--json", str(out), *more]) == 0
    return out.read_bytes()


def lines_of(content: bytes, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in content.splitlines()]
    return [line for line in lines if line["type"] == kind]


def test_a_slow_detector_on_a_busy_machine_gives_the_same_bytes(
    clip, packages, tmp_path, monkeypatch
):
    first = replayed(clip.path, packages, tmp_path / "first.jsonl")
    frames = lines_of(first, "frame")
    assert len(frames) == 15
    assert all(
        frame["at_s"] == pytest.approx(frame["index"] / clip.fps, abs=1e-3) for frame in frames
    )
    assert frames[-1]["tracks"][0]["label"] == "person"
    assert lines_of(first, "signals")[0]["at_s"] == 0.0

    original, done = LoadedModel.infer, threading.Event()

    def slow(self, images, rows, sent_at_s):
        time.sleep(0.04)
        return original(self, images, rows, sent_at_s)

    def load() -> None:
        while not done.is_set():
            sum(range(1000))

    monkeypatch.setattr(LoadedModel, "infer", slow)
    busy = threading.Thread(target=load)
    busy.start()
    try:
        second = replayed(clip.path, packages, tmp_path / "second.jsonl")
    finally:
        done.set()
        busy.join()
    assert first == second


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(clip, city, tmp_path):
    contents = []
    for seed in ("1", "2"):
        out = tmp_path / f"{seed}.jsonl"
        command = ["-m", "cityeye", "replay", str(clip.path), "--camera", f"{city}#gate"]
        environment = {**os.environ, "GATE": "a-password", "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, *command, "--json", str(out)], env=environment, check=True)
        contents.append(out.read_bytes())
    assert contents[0] == contents[1]
    assert lines_of(contents[0], "incident")


def test_incidents_of_a_configured_camera(clip, city, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GATE", "a-password")
    contents = []
    for spec in (["--camera", f"{city}#gate"], ["--camera", "gate", "--config", str(city)]):
        assert main(["replay", str(clip.path), *spec, "--json", "-"]) == 0
        said = capsys.readouterr()
        contents.append(said.out)
        assert "started  crowding.density" in said.err
        assert "15 frames of 2.9 s in" in said.err
        assert "times real time): 1 track, 1 crowding.density" in said.err
    assert contents[0] == contents[1]
    assert "a-password" not in contents[0]
    began, *_, ended = lines_of(contents[0].encode(), "incident")
    assert (began["phase"], ended["phase"], ended["end_reason"]) == (
        "started",
        "ended",
        "stream_lost",
    )
    assert (began["zone"], began["rule"], began["model"]) == (
        "square",
        "crowding.density/2",
        "brightness/1",
    )
    assert began["subjects"][0]["track"] == 1
    assert 0 < began["opened_s"] < began["at_s"] < ended["at_s"] == ended["ended_s"]
    (end,) = lines_of(contents[0].encode(), "end")
    assert (end["incidents"], end["damaged"]) == ({"crowding.density": 1}, 0)


def test_the_drawn_video_shows_the_boxes_of_the_tracks(clip, city, tmp_path, monkeypatch):
    monkeypatch.setenv("GATE", "a-password")
    lines, drawn = tmp_path / "lines.jsonl", tmp_path / "drawn.mp4"
    arguments = ["--camera", f"{city}#gate", "--json", str(lines), "--draw", str(drawn)]
    assert main(["replay", str(clip.path), *arguments]) == 0
    frames = lines_of(lines.read_bytes(), "frame")
    with av.open(str(drawn)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == (640, 480 + PANEL_PX)
        shown = [
            (float(frame.time or 0), frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]
    assert [at_s for at_s, _ in shown[: len(frames)]] == pytest.approx(
        [frame["at_s"] for frame in frames], abs=2e-3
    )
    assert shown[-1][0] == pytest.approx(clip.duration_s, abs=0.2)
    scale = 640 / SIZE.width
    left, top, bottom = (round(BOX[side] * scale) for side in (0, 1, 3))
    for frame, (_, image) in zip(frames, shown, strict=False):
        edge = image[top + 10 : bottom - 10, left].astype(int)
        is_green = np.abs(edge - GREEN).max(axis=1).mean() < 70
        assert is_green == bool(frame["tracks"]), frame["at_s"]
    assert {bool(frame["tracks"]) for frame in frames} == {True, False}
    # The border of the zone becomes red with the incident.
    border = [int(image[240, 64].astype(int) @ (1, -1, 0)) for _, image in shown]
    assert border[0] < 50
    assert border[-1] > 120


def test_damage_in_the_middle_costs_what_is_damaged_and_is_said(packages, tmp_path, capsys):
    clip = write_clip(tmp_path / "long.mp4", frames=75, noise=True)
    data = bytearray(clip.path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 10] = bytes(len(data) // 10)
    clip.path.write_bytes(data)
    first = replayed(clip.path, packages, tmp_path / "first.jsonl")
    said = capsys.readouterr().out
    (end,) = lines_of(first, "end")
    assert 0 < end["damaged"] < 30
    assert end["decoded"] + end["damaged"] == 75
    assert f"{end['damaged']} of 75 images are damaged and were left out" in said
    last = lines_of(first, "frame")[-1]
    assert last["at_s"] == pytest.approx(clip.duration_s, abs=0.3)
    assert first == replayed(clip.path, packages, tmp_path / "second.jsonl")


def test_a_view_at_fault_is_said(packages, tmp_path, capsys):
    night = write_images(tmp_path / "night.mp4", [np.zeros((96, 128, 3), np.uint8)] * 100)
    content = replayed(night, packages, tmp_path / "lines.jsonl")
    assert "view  dark: rules are suspended" in capsys.readouterr().out
    views = [line["view"] for line in lines_of(content, "signals")]
    assert (views[0], views[-1]) == (None, "dark")


def silence(path: Path) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(16000))
    return path


def test_recordings_that_cannot_be_replayed(packages, tmp_path, capsys):
    (tmp_path / "text.mp4").write_text("not a film\n" * 100)
    earlier = tmp_path / "earlier.jsonl"
    earlier.write_text("kept", encoding="utf-8")
    for path, what in (
        (tmp_path / "none.mp4", "the file none.mp4 does not exist"),
        (tmp_path / "text.mp4", "the file text.mp4 is not a video file"),
        (silence(tmp_path / "sound.wav"), "the file sound.wav has no video in it"),
    ):
        spec = ["--camera", "brightness", "--path", str(packages)]
        assert main(["replay", str(path), *spec, "--json", str(earlier)]) == 1
        assert what in capsys.readouterr().err
    assert earlier.read_text(encoding="utf-8") == "kept"
    spec += ["--json", str(tmp_path / "nowhere" / "lines.jsonl")]
    assert main(["replay", str(write_clip(tmp_path / "yard.mp4").path), *spec]) == 1
    assert "lines.jsonl cannot be written: No such file or directory" in capsys.readouterr().err


def test_a_model_in_another_precision_is_one_model():
    spec = "traffic/1+int8:traffic + crowding@1+int8"
    chosen = chosen_camera(CameraChoice(spec, fps=5.0), {})
    models = {task.task: f"{task.model.name}/{task.model.version}" for task in chosen.plan.tasks}
    assert models == {"traffic": "traffic/1+int8", "crowding": "crowding/1+int8"}


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("nobody", "model nobody: not in the model repository"),
        ("brightness/7", "model brightness/7: not in the model repository"),
        ("nobody/1+int8", "model nobody/1+int8: not in the model repository"),
        ("brightness:traffic", "model brightness is made for crowding, not for traffic"),
        ("brightness+brightness/1", "two models for crowding: name the tasks, as in MODEL:TASK"),
        ("brightness+brightness", "brightness is named twice; name its tasks together"),
        ("", "names no camera; give CITY.YAML#NAME or MODEL:TASK,TASK"),
    ],
)
def test_models_that_are_not_there(clip, packages, capsys, spec, what):
    assert main(["replay", str(clip.path), "--camera", spec, "--path", str(packages)]) == 1
    assert what in capsys.readouterr().err


def test_a_model_that_cannot_run_is_named_once(clip, packages, capsys, monkeypatch):
    # As on a machine without a GPU, whatever this one has.
    monkeypatch.setattr("models.session.has_cuda", lambda: False)
    spec = ["--camera", "brightness", "--path", str(packages), "--provider", "cuda"]
    assert main(["replay", str(clip.path), *spec]) == 1
    assert capsys.readouterr().err.count("brightness/1") == 1


def test_cameras_that_are_not_there(clip, city, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GATE", "a-password")
    for arguments, what in (
        (["--camera", f"{city}#door"], "has no camera door; name one of them"),
        (["--camera", str(city)], "has several cameras; name one of them"),
        (["--camera", f"{tmp_path / 'no.yaml'}#gate"], "no.yaml"),
        (["--camera", f"{city}#gate", "--fps", "2"], "--fps and --path go with models by name"),
    ):
        assert main(["replay", str(clip.path), *arguments]) == 1
        assert what in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scene", "task"), [("park-bag", "littering"), ("square-quiet", "crowding")]
)
def test_a_drawn_scene_gives_what_its_truth_has(tmp_path, scene, task):
    facts = scene_named(scene)
    zones = [zone for zone in facts.zones if zone.task == task]
    camera = {
        "id": "drawn",
        "source": "rtsp://192.0.2.1/live",
        "zones": {zone.name: [list(point) for point in zone.polygon] for zone in zones},
        "ground": [[*point.image, *point.ground_m] for point in facts.ground_points()],
        "tasks": {task: {"model": task, "fps": 5, "zones": [zone.name for zone in zones]}},
    }
    city, out = tmp_path / "city.yaml", tmp_path / "lines.jsonl"
    city.write_text(yaml.safe_dump({"cameras": [camera], "hub": {}}), encoding="utf-8")
    clips = ensure_clips((scene,), cache_folder("clips", os.environ))
    assert main(["replay", str(clips[scene]), "--camera", str(city), "--json", str(out)]) == 0
    found = [one for one in lines_of(out.read_bytes(), "incident") if one["phase"] == "started"]
    real = [one for one in facts.incidents if one.kind in RULES]
    assert [(one["kind"], one["zone"]) for one in found] == [(one.kind, one.zone) for one in real]
    for one, truth in zip(found, real, strict=True):
        assert one["at_s"] == pytest.approx(truth.start_s, abs=15.0)


def test_the_recording_is_never_written_over(clip, packages, capsys):
    before = clip.path.read_bytes()
    spec = ["--camera", "brightness", "--path", str(packages)]
    for option in ("--draw", "--json"):
        assert main(["replay", str(clip.path), *spec, option, str(clip.path)]) == 1
        assert "is the recording itself" in capsys.readouterr().err
    assert clip.path.read_bytes() == before
