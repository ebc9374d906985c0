"""The profile of a real city, short."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from benchmarks.machine import LoadBefore
from benchmarks.pipeline import QUANTITIES
from benchmarks.plot import draw
from benchmarks.profiling.city import ProfiledCitySpec
from benchmarks.result import PlotStack, ResultPlot, RunStart, read_result
from cityeye.cli import app
from cityeye.config import load_config
from cityeye.model_place import cache_folder
from models import BUILTIN_ROOT, ModelRepository
from simulation import ensure_clips
from simulation.scenes import scene_named

SCENE = "crossroad-jam"
CAMERAS = 2


def spec(clip: str, **given) -> ProfiledCitySpec:
    package = ModelRepository(BUILTIN_ROOT).find("traffic")
    return ProfiledCitySpec(package, {clip: Path("x.mp4")}, CAMERAS, 5.0, "in_process", **given)


@pytest.mark.parametrize("clip", [SCENE, "own"])
@pytest.mark.parametrize("hub", [True, False])
def test_the_city_is_one_that_a_person_could_have_configured(tmp_path, clip, hub):
    document = spec(clip, hub=hub).document(["rtsp://127.0.0.1/1", "rtsp://127.0.0.1/2"], (1, 2))
    path = tmp_path / "city.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    config = load_config(path, {})
    assert [plan.camera.fps for plan in config.plans] == [5.0] * CAMERAS
    assert (config.settings.hub is not None) is hub
    zones = {
        zone.name for plan in config.plans for rule in plan.tasks[0].rules for zone in rule.zones
    }
    own = {zone.name for zone in scene_named(SCENE).zones} if clip == SCENE else set()
    assert own <= zones


def test_bars_of_parts_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    stacks = (PlotStack(name="decode", heights=(1.0, 2.0)), PlotStack(name="run", heights=(3.0, 0)))
    plot = ResultPlot(title="CPU", x_label="", y_label="ms", bars=("one", "other"), stacks=stacks)
    result = RunStart(load=LoadBefore(load_average=0, busy=0, stolen=0)).result(
        "pipeline", {}, (), (), plot
    )
    path = tmp_path / "plot.png"
    assert draw(result, path) == ""
    less = result.model_copy(update={"plot": plot.model_copy(update={"stacks": stacks[:1]})})
    draw(less, tmp_path / "less.png")
    assert path.read_bytes() != (tmp_path / "less.png").read_bytes()


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.integration
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "detector", ["in_process", pytest.param("ray_serve", marks=pytest.mark.proof)]
)
def test_a_profile_accounts_for_all_that_a_worker_uses(tmp_path, detector):
    # The clip of the demo: it is drawn once for both, at their first run on a machine.
    made = ensure_clips((SCENE,), cache_folder("clips", os.environ), lambda *_: None)[SCENE]
    clip, written = tmp_path / f"{SCENE}.mp4", tmp_path / "result.json"
    clip.symlink_to(made)
    options = ["--clip", str(clip), "--cameras", str(CAMERAS), "--detector", detector]
    lengths = ["--rounds", "1", "--seconds", "3", "--json", str(written)]
    done = CliRunner().invoke(app, ["bench", "pipeline", *options, *lengths])
    assert done.exit_code == 0, done.output
    result = read_result(written)
    found = {
        one.name: result.metric(f"{one.name}[detector={detector}]").median for one in QUANTITIES
    }
    assert found["pipeline.inferred"] > 0
    for name in ("worker_own", "control", "decode", "run", "conversion", "tracker", "rules"):
        assert found[f"pipeline.{name}_cpu"] > 0, name
    assert (found["pipeline.replica_cpu"] > 0) is (detector == "ray_serve")
    assert found["pipeline.worker_own_cpu"] < found["pipeline.worker_cpu"]
    parts = {stack.name: stack.heights[0] for stack in result.plot.stacks}
    assert (parts["session run"] > 0) is (detector == "in_process")
    titles = " ".join(table.title for table in result.tables)
    assert all(
        title in titles for title in ("Processes", "by thread and stage", "functions", "wait")
    )
