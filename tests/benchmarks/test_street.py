"""The street for real: stamped cameras over RTSP, the peers and the city on them."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.errors import BenchmarkError
from benchmarks.recorded_street import street_of
from benchmarks.soak import SoakBenchmark
from benchmarks.soak import run as run_soak
from benchmarks.street import PROGRAMS, Load, Street, StreetRun, measure
from benchmarks.street_log import read_log
from benchmarks.street_server import StreetServer, StreetSpec
from benchmarks.street_spec import ContestantSpec
from cityeye.street_city import document_of
from models import BUILTIN_ROOT, ModelPackage
from simulation import ClipShow
from tests.camera_adapters.clips import write_clip

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

PACKAGE = BUILTIN_ROOT / "traffic" / "1"


@pytest.fixture(scope="module")
def street(tmp_path_factory) -> Street:
    folder = tmp_path_factory.mktemp("street")
    clip = write_clip(folder / "plain.mp4", width=640, height=360, frames=100)
    return street_of(ModelPackage.load(PACKAGE), clip.path, folder, ClipShow(), settle_s=0.5)


def plausible(run: StreetRun, cameras: int) -> None:
    """What holds on a machine of any speed."""
    assert len(run.rates) == cameras
    assert 0 < min(run.rates) <= max(run.rates) < 9
    assert run.unreadable == 0
    # The clip takes 8 s: a wrong pairing of frames would show as ages of up to that.
    assert 0 < run.age_p50_ms <= run.age_p95_ms <= run.age_max_ms < 7000
    assert 0 < run.cpu_cores < 64
    assert run.pss_mb > 20
    assert run.sent_fps > 5


def test_cameras_have_phases_of_their_own_and_the_server_notes_what_it_sends(street, tmp_path):
    sent = tmp_path / "sent"
    with StreetServer(StreetSpec(str(street.clip), 2, str(sent))) as server:
        clients = [
            subprocess.Popen([sys.executable, "-c", READ, url]) for url in server.addresses.cameras
        ]
        for client in clients:
            client.wait(60)
    records = read_log(sent)
    first = [records[records["camera"] == camera]["number"][0] for camera in (0, 1)]
    assert first[0] != first[1]
    for camera in (0, 1):
        of_camera = records[records["camera"] == camera]
        assert np.all(np.diff(of_camera["number"]) % 100 == 1)
        assert np.diff(of_camera["at_s"]).mean() == pytest.approx(0.08, rel=0.2)


READ = """
import sys, cv2
capture = cv2.VideoCapture(sys.argv[1])
for _ in range(25):
    assert capture.read()[0]
"""


def test_the_loop_is_measured(street):
    plausible(measure("loop", Load(2, 5.0), street, 3.0), 2)


@pytest.mark.ray
def test_the_city_is_measured_as_it_is(street):
    plausible(measure("cityeye", Load(2, 5.0), street, 3.0), 2)


@pytest.mark.proof
@pytest.mark.ray
def test_ray_serve_called_by_the_frame_is_measured(street):
    plausible(measure("serve-per-frame", Load(2, 5.0), street, 3.0), 2)


def test_decoding_alone_is_measured(street):
    plausible(measure("decoding", Load(2, 5.0), street, 3.0), 2)


@pytest.mark.ray
def test_a_city_with_a_gate_reports_how_old_frames_are_that_it_did_not_infer(tmp_path):
    """Half of the clip stands still, so that half of the results are not inferred."""
    clip = write_clip(tmp_path / "plain.mp4", width=640, height=360, frames=50)
    package = ModelPackage.load(PACKAGE)
    street = street_of(package, clip.path, tmp_path, ClipShow(still_s=2.0), settle_s=0.5)
    run = measure("cityeye", Load(2, 5.0), replace(street, motion_gate_s=2.0), 6.0)
    plausible(run, 2)
    assert min(run.rates) > 4, "what is not inferred is analysed all the same"
    assert run.age_p95_ms < 500, "and its age is its own"


@pytest.mark.ray
def test_a_city_whose_cameras_have_main_streams_infers_the_smaller_ones(street, tmp_path):
    main = write_clip(tmp_path / "main.mp4", width=1280, height=720, frames=50)
    # Stamps are in the smaller stream alone: a result of the main one could not be read.
    plausible(measure("cityeye", Load(2, 5.0), replace(street, main_clip=main.path), 3.0), 2)


def test_a_soak_samples_what_could_grow(street):
    wanted = SoakBenchmark(street, Load(1, 5.0), minutes=0.05, contestant="loop", sample_s=0.5)
    result = run_soak(wanted, lambda _: None)
    assert len(result.metric("soak.pss_mb").samples) >= 2
    assert min(result.metric("soak.pss_mb").samples) > 20
    assert min(result.metric("soak.threads").samples) >= 3
    assert min(result.metric("soak.processes").samples) >= 1
    assert max(result.metric("soak.cpu_cores").samples) > 0
    quantity, per_hour, error, first, last, least, greatest = result.tables[0].rows[0]
    assert quantity == "MB"
    assert least <= first <= greatest
    assert least <= last <= greatest
    assert isinstance(per_hour, float)
    assert error >= 0


def test_a_contestant_that_ends_is_reported_with_what_it_said(street, monkeypatch):
    monkeypatch.setitem(PROGRAMS, "loop", "no.such.module")
    with pytest.raises(BenchmarkError, match=r"loop ended \(1\)[\s\S]*No module named"):
        measure("loop", Load(1, 5.0), street, 1.0)


def test_nothing_of_a_contestant_is_left_when_it_was_measured(street):
    begin_s = time.monotonic()
    measure("loop", Load(1, 5.0), street, 0.5)
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(street.clip) not in left.stdout
    assert time.monotonic() - begin_s < 250


def test_the_city_gets_only_cameras_and_models(tmp_path):
    spec = ContestantSpec(("rtsp://127.0.0.1:1/0",), 5.0, str(PACKAGE), str(tmp_path), "http://x/")
    document = document_of(spec)
    assert set(document) == {
        *("cameras", "models", "keyframes", "sinks", "api", "state", "capacity"),
    }
    assert document["cameras"][0]["tasks"] == {"traffic": {"model": "traffic/1", "fps": 5.0}}
    assert Path(document["models"]["path"]) == BUILTIN_ROOT.resolve()
    few = ContestantSpec(spec.cameras, 5.0, str(PACKAGE), "", options={"cameras_per_worker": "3"})
    assert document_of(few)["workers"] == {"cameras_per_worker": 3}
    assert yaml.safe_load(yaml.safe_dump(document)) == document
    gated = ContestantSpec(spec.cameras, 5.0, str(PACKAGE), "", options={"motion_gate_s": "2.0"})
    (camera,) = document_of(gated)["cameras"]
    assert camera["motion_gate_s"] == 2.0
    assert set(camera["masks"]) == {"stamp"}, "the stamp moves in every image"
    mains = {"main_sources": "rtsp://127.0.0.1:1/main-0"}
    (camera,) = document_of(replace(spec, options=mains))["cameras"]
    assert (camera["source"], camera["inference_source"]) == (
        "rtsp://127.0.0.1:1/main-0",
        "rtsp://127.0.0.1:1/0",
    )
