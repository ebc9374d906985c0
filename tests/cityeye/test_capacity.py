"""`cityeye plan` and what `check` says, with costs that are known from before."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cityeye.capacity import expected_load
from cityeye.cli import main
from cityeye.config import load_config
from cityeye.config.load import Config
from serving.capacity.measurement import FILE, keep_costs, machine_name
from tests.serving.capacity.costs import COSTS

CITY = """\
cameras:
  - {id: gate, source: 'rtsp://10.0.0.5/live', tasks: {traffic: {model: traffic}}}
  - {id: yard, source: 'rtsp://10.0.0.6/live', tasks: {traffic: {model: traffic, fps: 2}}}
hub: {}
"""
HERE = replace(COSTS, machine=machine_name())


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of costs of the model traffic."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "cityeye" / "capacity" / "traffic"
    folder.mkdir(parents=True)
    keep_costs(folder, HERE)
    return folder


@pytest.fixture
def city(tmp_path) -> Config:
    file = tmp_path / "city.yaml"
    file.write_text(CITY, "utf-8")
    config = load_config(file, {})
    config.settings.state.mkdir()
    return config


def planned(capsys, tmp_path, *arguments: str):
    answer = tmp_path / "answer.json"
    status = main(["plan", "--json", str(answer), *arguments])
    out, err = capsys.readouterr()
    assert status == 0, err
    return out, json.loads(answer.read_text("utf-8"))


def test_cameras_need_so_many_cores(cache, capsys, tmp_path):
    shape = ("--width", "1280", "--height", "720", "--fps", "10", "--mbit", "2")
    out, answer = planned(capsys, tmp_path, "--cameras", "100", *shape)
    each = 10 * (0.0001 + 0.0004 * 0.9216 + 0.0002 + 0.0001) + 0.001 + 5 * 0.0072
    assert answer["camera"]["cores"] == pytest.approx(each, abs=1e-5)
    assert answer["cameras_per_machine"] == int((0.95 * 2 - 0.05) / each)
    assert answer["machines_needed"] == -(-100 // answer["cameras_per_machine"])
    assert f"100 cameras need {answer['cores_needed']} cores of this kind" in out
    assert "give or take 3%" in out
    assert answer["cost_per_camera"] is None


def test_a_price_gives_the_cost_of_a_camera(cache, capsys, tmp_path):
    out, answer = planned(capsys, tmp_path, "--cameras", "100", "--price", "1000")
    assert answer["cost_per_camera"] == pytest.approx(10.0 * answer["machines_needed"])
    assert f"{answer['cost_per_camera']:.2f} per camera" in out


def test_gpus_are_those_that_were_measured_with_this_model(cache, capsys, tmp_path):
    out, answer = planned(capsys, tmp_path, "--cameras", "300", "--fps", "30")
    found = [(gpu["gpu"], gpu["cameras"], gpu["needed"]) for gpu in answer["gpus"]]
    assert found == [("NVIDIA H100 80GB HBM3", 154, 2), ("NVIDIA H200", 152, 2)]
    assert "2 x NVIDIA H200: 152 such cameras each, decoding is the limit" in out
    folder = cache.with_name("crowding")
    folder.mkdir()
    keep_costs(folder, replace(HERE, models={"crowding/1": HERE.models["traffic/1"]}))
    out, answer = planned(capsys, tmp_path, "--cameras", "300", "--model", "crowding")
    assert answer["gpus"] == []
    assert "none was measured with this model and codec" in out


def test_a_camera_that_no_machine_like_this_carries(cache, capsys, tmp_path):
    shape = ("--width", "7680", "--height", "4320", "--fps", "120", "--codec", "h265")
    out, answer = planned(capsys, tmp_path, "--cameras", "3", *shape)
    assert answer["machines_needed"] is None
    assert "this machine carries none" in out


def test_cameras_like_those_of_a_city(city, capsys, tmp_path):
    keep_costs(city.settings.state, HERE)
    out, answer = planned(capsys, tmp_path, "--cameras", "10", "--config", str(city.path))
    assert answer["camera"]["analysed_fps"] == 3.5
    assert answer["camera"]["stream"]["size"] == "1920x1080"
    readings = {"gate": {"cores": 0.5, "size": {"width": 1280, "height": 720}}}
    (city.settings.state / "camera-readings.json").write_text(json.dumps(readings), "utf-8")
    out, answer = planned(capsys, tmp_path, "--cameras", "10", "--config", str(city.path))
    assert "as measured in this city" in out
    assert answer["camera"]["cores"] == pytest.approx(0.5 + 0.001 + 3.5 * 0.0072)


def test_what_a_city_runs_elsewhere_is_not_guessed(city, capsys):
    city.path.write_text(CITY + "models: {detector: ray_serve}\n", "utf-8")
    assert main(["plan", "--cameras", "10", "--config", str(city.path)]) == 1
    assert "start it once, then plan" in capsys.readouterr().err


def test_models_of_a_configuration_are_those_that_it_names(city, capsys):
    given = ["--config", str(city.path), "--model", "traffic"]
    assert main(["plan", "--cameras", "10", *given]) == 1
    assert "are for cameras without --config" in capsys.readouterr().err


def test_check_says_what_cameras_need(city, capsys):
    assert "was not measured yet" in expected_load(city)
    keep_costs(city.settings.state, HERE)
    assert main(["check", str(city.path)]) == 0
    out = capsys.readouterr().out
    assert "Capacity: 2 cameras need 0.17 of 2 cores" in out
    assert "(the streams of 2 are not known yet)" in out
    (city.settings.state / FILE).write_text("{", "utf-8")
    assert "was not measured yet" in expected_load(city)


def test_a_city_that_shares_measures_nothing(city):
    city.path.write_text(CITY + "capacity: share\n", "utf-8")
    assert "all rates shrink" in expected_load(load_config(city.path, {}))


@pytest.mark.integration
@pytest.mark.slow
def test_costs_are_measured_where_they_are_not_known(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _, answer = planned(capsys, tmp_path, "--cameras", "10")
    assert 0.01 < answer["camera"]["cores"] < 1.0
    assert (tmp_path / "cache" / "cityeye" / "capacity" / "traffic" / FILE).exists()
