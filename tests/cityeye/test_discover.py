"""`cityeye cameras discover`: lines that a configuration takes as they are, and what went wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import cityeye.cli
from cityeye.cli import main
from cityeye.config import load_config
from tests.camera_adapters.onvif.device import MAIN, SUB, StandIn, Stream

pytestmark = pytest.mark.integration

PASSWORD = "canary-7431"
USERS = {"viewer": PASSWORD}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """The process's logging belongs to pytest, and the environment to the test."""
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)
    monkeypatch.setenv("CAMERA_PASSWORD", PASSWORD)


def discover(*arguments: str) -> int:
    return main(["cameras", "discover", "--timeout", "0", *arguments])


def loaded(text: str, folder: Path, packages: Path):
    """The cameras of a configuration that has nothing but what was printed."""
    file = folder / "city.yaml"
    lines = "\n".join(f"  {line}" for line in text.splitlines())
    models = f"models: {{path: {packages}, provider: cpu}}"
    file.write_text(f"cameras:\n{lines}\nhub: {{}}\n{models}\n", "utf-8")
    environment = {"CAMERA_PASSWORD": PASSWORD, "SECRET": "leaked"}
    return load_config(file, environment).settings.cameras


def test_the_printed_lines_are_a_configuration(capsys, tmp_path, packages):
    with StandIn(users=USERS) as device:
        assert discover(device.place, "--user", "viewer") == 0
    out, err = capsys.readouterr()
    assert "# 127.0.0.1: Acme Eye-4 firmware 5.7.1, serial A17" in out
    assert "#   main: H264 1920x1080, 25/s (proposed for evidence)" in out
    assert "#   sub: H264 640x360, 15/s (proposed for inference)" in out
    assert PASSWORD not in out + err
    (camera,) = loaded(out, tmp_path, packages)
    assert (camera.id, camera.source, camera.inference_source, camera.username) == (
        "camera-127-0-0-1",
        MAIN.address,
        SUB.address,
        "viewer",
    )
    assert camera.password.get_secret_value() == PASSWORD
    assert dict(camera.tasks)["traffic"].model == "traffic"


def test_a_probe_finds_cameras_without_a_word_on_where_they_are(capsys):
    with StandIn(name="Probed-only") as device:
        arguments = [
            "cameras",
            "discover",
            "--timeout",
            "0.8",
            "--interface",
            "127.0.0.1",
            "--json",
        ]
        assert main(arguments) == 0
        found = json.loads(capsys.readouterr().out)
    names = [one["device"]["name"] for one in found["cameras"]]
    assert "Probed-only" in names
    assert device.probes


def test_every_lens_of_a_device_is_a_camera(capsys, tmp_path, packages):
    streams = (MAIN, SUB, Stream("two", "H265", 1280, 720, 10, "rtsp://127.0.0.1/two", "lens-2"))
    with StandIn(streams=streams) as device:
        assert discover(device.place, "--task", "crowding", "--task", "traffic=traffic/1") == 0
    cameras = loaded(capsys.readouterr().out, tmp_path, packages)
    assert [(one.id, one.source, one.inference_source) for one in cameras] == [
        ("camera-127-0-0-1-1", MAIN.address, SUB.address),
        ("camera-127-0-0-1-2", "rtsp://127.0.0.1/two", None),
    ]
    assert cameras[0].password is None
    assert {task: one.model for task, one in cameras[1].tasks.items()} == {
        "crowding": "crowding",
        "traffic": "traffic/1",
    }


def test_a_password_file_is_named_and_not_its_content(capsys, tmp_path, packages):
    file = tmp_path / "camera.secret"
    file.write_text(f"{PASSWORD}\n", "utf-8")
    file.chmod(0o600)
    with StandIn(users=USERS) as device:
        assert discover(device.place, "--user", "viewer", "--password-file", str(file)) == 0
    out = capsys.readouterr().out
    assert yaml.safe_load(out)[0]["password_file"] == str(file)
    assert PASSWORD not in out
    assert loaded(out, tmp_path, packages)[0].password.get_secret_value() == PASSWORD


HOSTILE = "%24%7BSECRET%7D%0A-%20id%3A%20evil%1B%5B2J%22"


def test_what_a_device_says_of_itself_is_data(capsys, tmp_path, packages):
    """It could read variables, end a comment, add keys or write to the terminal otherwise."""
    address = "rtsp://127.0.0.1/${SECRET}/sub"
    stream = Stream("a", "H264\n- id: evil", 640, 360, 10, address, name="a\n- id: evil")
    plain = Stream("b", "H264", 640, 360, 10, address, name="${SECRET}")
    with StandIn(name=HOSTILE, streams=(stream, plain)) as device:
        assert discover(device.place) == 0
    named, _ = capsys.readouterr()
    with StandIn(name=HOSTILE, streams=(stream, plain)):
        main(["cameras", "discover", "--timeout", "0.8", "--interface", "127.0.0.1"])
    probed, _ = capsys.readouterr()
    for out in (named, probed):
        assert "\x1b" not in out
        cameras = loaded(out, tmp_path, packages)
        assert "evil" not in {one.id for one in cameras}
        assert "leaked" not in "".join(one.name + one.source for one in cameras)


@pytest.mark.parametrize(
    ("size", "encoding", "place"),
    [
        ((704, 576), "H264", "127.0.0.1:8554"),
        ((640, 360), "H264", "127.0.0.1:9554"),
    ],
)
def test_a_stream_that_shows_another_view_or_is_elsewhere_is_no_main_one(
    capsys, tmp_path, packages, size, encoding, place
):
    smaller = Stream("sub", encoding, *size, 15, f"rtsp://{place}/sub")
    with StandIn(streams=(MAIN, smaller)) as device:
        assert discover(device.place) == 0
    out, err = capsys.readouterr()
    (camera,) = loaded(out, tmp_path, packages)
    assert (camera.source, camera.inference_source) == (smaller.address, None)
    assert "H264 1920x1080, 25/s cannot be the main stream" in err
    assert "the same ratio of width to height" in err


def test_what_a_main_stream_cannot_be_encoded_as(capsys, tmp_path, packages):
    large = Stream("main", "JPEG", 1920, 1080, 25, "rtsp://127.0.0.1:8554/main")
    with StandIn(streams=(large, SUB)) as device:
        assert discover(device.place) == 0
    out, err = capsys.readouterr()
    (camera,) = loaded(out, tmp_path, packages)
    assert (camera.source, camera.inference_source) == (SUB.address, None)
    assert "JPEG 1920x1080, 25/s cannot be the main stream" in err


def test_a_stream_address_with_a_password_is_not_printed(capsys):
    address = f"rtsp://127.0.0.1:554/user=admin&password={PASSWORD}&channel=1"
    with StandIn(streams=(MAIN, Stream("x", "H264", 640, 360, 15, address))) as device:
        assert discover(device.place) == 0
    out, err = capsys.readouterr()
    assert PASSWORD not in out + err
    assert MAIN.address in out
    assert "hold a password and are left out" in err


def test_a_device_that_cannot_be_used_is_named_and_the_others_go_on(capsys):
    with StandIn() as good, StandIn(raw=b"<html>") as broken, StandIn(users=USERS) as locked:
        assert discover(good.place, broken.place, locked.place) == 0
    out, err = capsys.readouterr()
    assert out.count("- id:") == 1
    assert "127.0.0.1: answers with something that is no SOAP; check that ONVIF" in err
    assert "127.0.0.1: asks for a login; give one with --username" in err


def test_what_is_not_as_it_should_be_is_said(capsys):
    small = Stream("tiny", "H264", 352, 288, 25, "rtsp://10.1.1.1/tiny")
    with StandIn(streams=(small,), clock_ahead_s=-3600) as device:
        assert discover(device.place) == 0
    err = capsys.readouterr().err
    assert "no stream has 640x352 at 5/s; the largest is proposed, H264 352x288, 25/s" in err
    assert "its clock is 3600 s behind" in err or "its clock is 3601 s behind" in err
    assert "its stream addresses name 10.1.1.1" in err


def test_video_that_cannot_be_read_is_a_problem(capsys):
    with StandIn(streams=(Stream("a", "MPEG4", 640, 360, 25, "rtsp://127.0.0.1/a"),)) as device:
        assert discover(device.place) == 1
    assert "no stream that can be read (MPEG4); set one to H.264" in capsys.readouterr().err


def test_a_city_that_allows_only_some_networks_asks_nobody_else(capsys, tmp_path, packages):
    file = tmp_path / "city.yaml"
    file.write_text(
        "cameras: [{id: a, source: 'rtsp://10.0.0.9/a', tasks: {traffic: {model: traffic}}}]\n"
        f"camera_network: {{allow: [10.0.0.0/8], ports: [554]}}\nhub: {{}}\n"
        f"models: {{path: {packages}, provider: cpu}}\n",
        "utf-8",
    )
    with StandIn() as device:
        assert discover(device.place, "--config", str(file)) == 1
        assert not device.asked
    assert "127.0.0.1 is not in an allowed network" in capsys.readouterr().err


def test_nobody_is_a_sentence_with_what_to_do(capsys):
    assert discover() == 1
    assert "Probes do not pass routers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--interface", "eth0"], "--interface eth0 is no IPv4 address"),
        (["http://10.0.0.1/"], "is neither HOST nor HOST:PORT"),
        (["10.0.0.1:99999"], "is neither HOST nor HOST:PORT"),
        (["no-such-host.invalid"], "no-such-host.invalid cannot be resolved"),
        (["--user", "viewer", "--password-file", "/nowhere"], "/nowhere cannot be read"),
    ],
)
def test_a_mistake_in_the_command_is_said(capsys, arguments, said):
    assert discover(*arguments) == 1
    assert said in capsys.readouterr().err


def test_a_user_without_a_password_is_asked_for_one(capsys, monkeypatch):
    monkeypatch.delenv("CAMERA_PASSWORD")
    assert discover("--user", "viewer") == 1
    assert "set CAMERA_PASSWORD in the environment" in capsys.readouterr().err
