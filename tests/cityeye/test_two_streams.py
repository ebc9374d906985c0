"""A camera with `inference_source`: what becomes of it, and what cannot be two streams of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from camera_adapters.spec import Credentials
from cityeye.camera_probe import probe_camera
from cityeye.commands.connect import try_everything
from cityeye.config import changes_between, tried_camera
from cityeye.config.problem import Problem
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import write_clip
from tests.cityeye.small_city import CITY, problem_of

SOURCE = "rtsp://10.0.0.5/live"
TIMES = "open_timeout_s: 2\n    read_timeout_s: 1\n    tasks:"


def city(smaller: str, main: str = SOURCE, login: str = "") -> str:
    addresses = f"{main}\n    inference_source: {smaller}{login}"
    return CITY.replace(SOURCE, addresses)


LOGIN = "\n    username: viewer\n    password: hunter2"


def test_the_smaller_stream_is_read_and_the_main_one_is_the_evidence(load_city):
    (plan,) = load_city(city("rtsp://10.0.0.5/small", login=LOGIN)).plans
    assert (plan.camera.source, plan.camera.main_source) == ("rtsp://10.0.0.5/small", SOURCE)
    main = plan.camera.main
    assert main is not None
    assert (main.source, main.credentials) == (SOURCE, Credentials("viewer", "hunter2"))
    (plan,) = load_city(CITY).plans
    assert (plan.camera.source, plan.camera.main_source) == (SOURCE, "")


@pytest.mark.parametrize(
    ("smaller", "login", "what", "remedy"),
    [
        (SOURCE, "", "the same address as `source`", "Name a smaller stream"),
        ("rtsp://10.0.0.6/small", LOGIN, "would be given its login", "the same camera"),
        ("rtsp://10.0.0.5:8554/small", LOGIN, "would be given its login", "the same camera"),
        ("rtsp://10.0.0.5:554:1/small", "", "cannot be read", "rtsp://HOST"),
        ("rtsp://169.254.1.1/small", "", "is not in an allowed network", "`camera_network:`"),
        ("rtsp://other:secret@10.0.0.5/small", LOGIN, "the address holds a login", "Remove"),
    ],
)
def test_what_can_never_be_a_smaller_stream(load_city, smaller, login, what, remedy):
    problem = problem_of(load_city, city(smaller, login=login))
    assert problem.key == "cameras[0].inference_source"
    assert what in problem.what
    assert remedy in problem.remedy
    assert "hunter2" not in str(problem)
    assert "secret" not in str(problem)


def test_another_host_may_have_the_smaller_stream_where_no_login_would_go_there(load_city):
    (plan,) = load_city(city("rtsp://10.0.0.6/small")).plans
    assert plan.camera.source == "rtsp://10.0.0.6/small"


@pytest.mark.parametrize("recording", ["source", "inference_source"])
def test_recordings_have_one_stream(load_city, tmp_path, recording):
    clip = write_clip(tmp_path / "clip.mp4", frames=2)
    addresses = {"source": SOURCE, "inference_source": "rtsp://10.0.0.5/small"}
    addresses[recording] = str(clip.path)
    text = city(addresses["inference_source"], addresses["source"])
    problem = problem_of(load_city, text)
    assert problem.key == f"cameras[0].{recording}"
    assert "over RTSP only" in problem.what


def test_both_addresses_may_hold_the_login_of_one_camera(load_city):
    both = city("rtsp://viewer:hunter2@10.0.0.5/small", "rtsp://viewer:hunter2@10.0.0.5/live")
    config = load_city(both)
    (plan,) = config.plans
    assert plan.camera.credentials == Credentials("viewer", "hunter2")
    assert (plan.camera.source, plan.camera.main_source) == ("rtsp://10.0.0.5/small", SOURCE)
    warnings: tuple[Problem, ...] = config.warnings
    assert [one.key for one in warnings] == ["cameras[0].source", "cameras[0].inference_source"]
    assert "hunter2" not in str(warnings)


def test_a_token_in_the_smaller_address_is_warned_about(load_city):
    (warning,) = load_city(city("rtsp://10.0.0.5/small?token=hunter2")).warnings
    assert warning.key == "cameras[0].inference_source"
    assert "hunter2" not in str(warning)


def test_another_smaller_stream_changes_this_camera_and_nothing_else(load_city):
    before, after = load_city(CITY), load_city(city("rtsp://10.0.0.5/small"))
    changes = changes_between(before, after)
    assert [str(one) for one in changes.cameras] == ["camera gate: changed (address)"]
    assert changes.restart == ()


def streams(folder: Path) -> RtspServerThread:
    """Cameras of one clip in several sizes, by name."""
    sizes = {"main": (640, 360), "small": (320, 180), "square": (320, 240)}
    return RtspServerThread(
        [
            Mount(name, write_clip(folder / f"{name}.mp4", width=width, height=height).path)
            for name, (width, height) in sizes.items()
        ]
    )


@pytest.mark.integration
def test_a_trial_opens_both_streams_and_shows_the_smaller_one(tmp_path):
    with streams(tmp_path) as server:
        main, small, square = map(server.url, ("main", "small", "square"))
        given = {"source": main, "inference_source": small}
        report = probe_camera(tried_camera(given, None), with_image=True)
        assert report.good, report.sentence
        assert (report.width, report.height) == (320, 180)
        assert (report.main_width, report.main_height) == (640, 360)
        assert report.jpeg
        given = {"source": main, "inference_source": square}
        report = probe_camera(tried_camera(given, None), with_image=False)
        assert not report.good
        assert "the same ratio of width to height" in report.sentence


@pytest.mark.integration
def test_check_with_connect_opens_both_streams_and_compares_them(load_city, tmp_path):
    with streams(tmp_path) as server:

        def tried(main: str, smaller: str) -> tuple[bool, str]:
            text = city(smaller, main).replace("tasks:", TIMES)
            *_, attempt = try_everything(load_city(text))
            assert attempt.subject == "camera gate"
            return attempt.good, attempt.sentence

        main, small = server.url("main"), server.url("small")
        good, said = tried(main, small)
        assert good, said
        assert said.startswith("320x180 after")
        assert "main stream 640x360 after" in said
        good, said = tried(main, server.url("square"))
        assert not good
        assert "the same ratio of width to height" in said
        good, said = tried(main.replace("/main", "/none"), small)
        assert not good
        assert "320x180" in said
        assert "main stream (`source`)" in said
        assert "has no such stream" in said
