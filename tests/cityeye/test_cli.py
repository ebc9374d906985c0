"""The command line as a person meets it: exit status, one sentence on stderr, no tracebacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import av
import numpy as np
import pytest

import cityeye.cli
from cityeye.cli import main
from cityeye.errors import CommandError
from pipelines.rules import RULE_SETS, default_set

COMMANDS = ("demo", "run", "check", "hub", "models", "bench", "cameras", "events")


@pytest.fixture
def city(tmp_path, packages):
    """Writes a configuration with one camera and returns its path."""

    def write(source: str) -> Path:
        file = tmp_path / "city.yaml"
        file.write_text(
            f"cameras: [{{id: gate, source: '{source}', open_timeout_s: 3, read_timeout_s: 3, "
            "tasks: {traffic: {model: traffic}}}]\n"
            f"hub: {{}}\nmodels: {{path: {packages}, provider: cpu}}\n",
            encoding="utf-8",
        )
        return file

    return write


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch):
    """The process's logging belongs to pytest."""
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)


def write_clip(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for shade in range(5):
            image = np.full((96, 160, 3), shade * 40, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    return path


def test_help_names_every_command_and_loads_nothing_heavy():
    heavy = ("ray", "onnxruntime", "onnx", "av", "cv2", "fastapi", "nicegui", "numpy", "sqlalchemy")
    code = (
        "import sys\nfrom cityeye.cli import main\n"
        "status = main(['--help'])\n"
        f"loaded = [name for name in {heavy!r} if name in sys.modules]\n"
        "sys.exit(f'loaded {loaded}' if loaded else status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    for command in COMMANDS:
        assert f"\n  {command} " in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(capsys, command):
    assert main([command, "--help"]) == 0
    assert "Usage: cityeye" in capsys.readouterr().out


def test_a_wrong_command_line_is_status_2(capsys):
    assert main(["chek"]) == 2
    assert main(["demo", "--cameras", "0"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_runs_that_are_added_up_write_no_file_and_say_so(capsys, tmp_path):
    file = tmp_path / "sum.json"
    assert main(["chaos", "--combine", "a.json", "--json", str(file)]) == 2
    assert "--combine prints what earlier runs gave" in capsys.readouterr().err
    assert not file.exists()


def test_check_says_that_a_file_is_good_and_which_rule_sets_it_uses(capsys, city):
    file = city("rtsp://10.0.0.5/live")
    assert main(["check", str(file)]) == 0
    newest = default_set("traffic")
    rules = len(RULE_SETS[newest])
    assert capsys.readouterr().out == (
        f"{file} is good: 1 camera, 1 task, {rules} rule{'s' * (rules > 1)} and 1 model. "
        f"Rule sets: {newest} (the newest, kept from the next start on).\n"
        "A model version that leaves service stays loaded for 600 s, with the memory that it takes "
        "(`keep_warm_s` of `models`).\n"
        "Capacity: what cameras cost on this machine was not measured yet; the first start of the "
        "city does that, or `cityeye plan --config`.\n"
    )
    text = file.read_text()
    file.write_text(text.replace("models: {", "models: {keep_warm_s: 0, "))
    assert main(["check", str(file)]) == 0
    assert "stays loaded" not in capsys.readouterr().out


def test_check_lists_mistakes_with_file_and_line(capsys, city):
    file = city("ftp://10.0.0.5/live")
    assert main(["check", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"{file}:1: cameras[0].source: ")
    assert err == ""


def test_check_warns_about_a_login_in_the_address_without_showing_it(capsys, city):
    assert main(["check", str(city("rtsp://viewer:hunter2@10.0.0.5/live"))]) == 0
    out, err = capsys.readouterr()
    assert "(warning)" in out
    assert "hunter2" not in out + err


def test_check_connects_to_cameras_and_loads_models(capsys, city, tmp_path):
    clip = write_clip(tmp_path / "gate.mp4")
    assert main(["check", "--connect", str(city(str(clip)))]) == 0
    out = capsys.readouterr().out
    assert "model traffic/2: runs on cpu" in out
    assert "camera gate: 160x96 after" in out
    assert "is good" in out


@pytest.mark.parametrize(
    ("source", "said"), [("noise.mp4", "camera gate: "), ("rtsp://127.0.0.1:1/live", "camera gate")]
)
def test_check_says_which_camera_does_not_work(capsys, city, tmp_path, source, said):
    (tmp_path / "noise.mp4").write_bytes(b"this is no video\n" * 100)
    assert main(["check", "--connect", str(city(source))]) == 1
    out = capsys.readouterr().out
    assert said in out
    assert "is good" not in out


def test_models_are_listed_and_shown(capsys, packages, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["models", "list", "--path", str(packages)]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in ("traffic/1", "traffic/2", "crowding/1", "96x64"))
    assert main(["models", "show", "traffic/1", "--path", str(packages)]) == 0
    assert "licence: MIT" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["models", "show", "street"], "model street: not in the model repository"),
        (["models", "list"], "holds no model package"),
    ],
)
def test_a_failure_is_one_sentence(capsys, tmp_path, arguments, said):
    assert main([*arguments, "--path", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("cityeye: ")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CommandError("the hub is asleep"), "cityeye: the hub is asleep\n"),
        (KeyError("gate"), "cityeye: stopped by an unexpected KeyError: 'gate' ("),
        (
            RuntimeError("cannot open rtsp://viewer:hunter2@10.0.0.5/x\nat all"),
            "rtsp://***@10.0.0.5",
        ),
    ],
)
def test_whatever_goes_wrong_is_one_sentence_without_secrets(
    capsys, monkeypatch, city, error, said
):
    def fail(*_):
        raise error

    monkeypatch.setattr("cityeye.config.load_config", fail)
    assert main(["check", "city.yaml"]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert main(["--debug", "check", "city.yaml"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "hunter2" not in err


@pytest.mark.slow
def test_the_hub_runs_alone_until_it_is_stopped(tmp_path, capsys):
    options = ["--port", "0", "--database", f"sqlite:///{tmp_path}/hub.db", "--state", tmp_path]
    command = [sys.executable, "-m", "cityeye", "hub", *options, "--keyframes", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as hub:
        assert hub.stdout is not None
        url = hub.stdout.readline().rpartition(" ")[2].strip()
        try:
            assert main(["token", "show", "--state", str(tmp_path)]) == 0
            headers = {"Authorization": f"Bearer {capsys.readouterr().out.strip()}"}
            wanted = Request(f"{url}/api/openapi.json", headers=headers)
            with urlopen(wanted, timeout=20) as answer:
                assert answer.status == 200
        finally:
            hub.terminate()
        assert hub.wait(20) == 0


@pytest.mark.slow
def test_clips_are_served_until_interrupted(tmp_path):
    clip = write_clip(tmp_path / "gate.mp4")
    command = [sys.executable, "-m", "cityeye", "cameras", "serve", str(clip)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        try:
            with av.open(url, options={"rtsp_transport": "tcp"}, timeout=(10, 10)) as container:
                frame = next(container.decode(video=0))
        finally:
            server.terminate()
        assert (frame.width, frame.height) == (160, 96)
        assert server.wait(20) == 0
