"""`bench gpu` with the processor in place of a GPU, for a fraction of a second each."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchmarks import gpu as whole
from benchmarks.errors import BenchmarkError
from benchmarks.gpu import GpuBenchmark, run
from benchmarks.gpu_path import streams
from benchmarks.gpu_path.carrier import Carried
from benchmarks.gpu_path.recordings import BareStream, RecordingSpec, write_recordings
from benchmarks.gpu_path.streams import PUBLISHED, Run
from benchmarks.gpu_path.watch import GpuLoad, parsed
from benchmarks.machine import fingerprint
from benchmarks.result import BenchmarkResult, ResultTable, read_result
from benchmarks.results_page import RESULTS
from benchmarks.subject import package_of
from camera_adapters import CameraFault, Size
from tests.camera_adapters.clips import write_clip
from tests.e2e.command import cityeye

SMALL = RecordingSpec(Size(320, 180), frames=12, repeats=3, bits_per_s=400_000)
NO_GPU = pytest.mark.skipif(bool(fingerprint().gpus), reason="there is a GPU")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "own.mp4", frames=10).path


def on_cpu(clip, **changed):
    few = {
        "batches": (1, 2),
        "streams": (1, 2),
        "rounds": 2,
        "round_s": 0.02,
        "carry_s": 1.0,
        "carried": 2,
    }
    where = {"provider": "cpu", "place": "cpu", "recordings": SMALL}
    return GpuBenchmark(package_of("traffic"), clip, **{**few, **where, **changed})


def test_recordings_repeat_their_images_in_both_codecs(clip, tmp_path):
    for recording in write_recordings(clip, tmp_path, SMALL).values():
        images = BareStream(recording, "cpu", most=36).images()
        shown = [next(images).to_ndarray() for _ in range(36)]
        assert shown[0].shape == (180 * 3 // 2, 320)
        assert (shown[0] == shown[12]).all()
        assert (shown[5] == shown[29]).all()
        assert (shown[0] != shown[5]).any()


@pytest.mark.slow
def test_everything_is_measured_and_written(clip):
    kept = []
    result = run(on_cpu(clip), lambda _: None, kept.append)
    assert [len(one.tables) for one in kept] == [1, 2, 3]
    assert kept[-1].metrics == result.metrics
    assert BenchmarkResult.model_validate_json(result.model_dump_json()) == result
    inference, decoding, carried = result.tables
    assert [row[:2] for row in inference.rows] == [
        (precision, batch) for precision in ("fp32", "fp16") for batch in (1, 2)
    ]
    assert [row[:2] for row in decoding.rows] == [
        (codec, count) for codec in ("H.264", "H.265") for count in (1, 2)
    ]
    assert [row[0] for row in carried.rows] == ["H.264", "H.265"]
    assert all(row[4] in {"host", "GPU", "decode engines"} for row in carried.rows)
    for name in (
        "images_per_s[path=detector,precision=fp16,batch=2]",
        "detect.ratio[precision=fp32,batch=1]",
        "frames_per_s[path=adapter,codec=H.265,streams=2]",
        "decode.ratio[codec=H.264,streams=1]",
        "streams.frames_per_s[codec=H.264]",
    ):
        assert min(result.metric(name).samples) > 0
    assert result.metric("streams.cameras[codec=H.264]").median >= 1


def test_where_the_gpu_cannot_decode_the_result_says_why(clip, monkeypatch):
    def refused(*_):
        raise CameraFault("bench-0", "its h264 video cannot be decoded on a GPU here", "look")

    monkeypatch.setattr(whole.video, "measure", refused)
    monkeypatch.setattr(whole.inference, "measure", lambda *_: SimpleNamespace(metrics=[], table=T))
    said = []
    result = run(on_cpu(clip), said.append)
    assert "cannot be decoded on a GPU here" in result.settings["not_measured"]
    assert result.tables == (T,)
    assert any("decoding is not measured" in line for line in said)


T = ResultTable(title="Inference", columns=(), rows=())


def part(decoded, inferred, age_s, cpu_s=2.0):
    return Carried((decoded,), (inferred,), (age_s,) * inferred, cpu_s, 10.0)


def test_the_busiest_resource_is_the_bottleneck(monkeypatch):
    monkeypatch.setattr(streams, "whole_cores", lambda: 4)
    parts = [part(300, 50, 0.01), part(300, 50, 0.02)]
    run = Run.of(parts, 10.0, GpuLoad(decoder=0.97, gpu=0.4))
    assert run.busy == {"decode engines": 0.97, "GPU": 0.4, "host": 0.1}
    assert run.bottleneck == "decode engines"
    assert (run.streams, run.frames_per_s, run.inferences_per_s) == (2, 60.0, 10.0)
    assert run.meets_level


@pytest.mark.parametrize(
    "slow", [part(280, 50, 0.01), part(300, 46, 0.01), part(300, 50, 0.5), part(300, 0, 0.01)]
)
def test_a_camera_that_lags_misses_the_level(slow):
    parts = [part(300, 50, 0.01), slow]
    assert Run.of([parts[0]], 10.0, GpuLoad()).meets_level
    assert not Run.of(parts, 10.0, GpuLoad()).meets_level


def test_what_the_driver_says_is_read_and_gaps_count_as_nothing():
    assert parsed("97, 41, 1387, 146.10\n") == GpuLoad(0.97, 0.41, 1387, 146.1)
    assert parsed("[N/A], 41, 1387, [N/A]") == GpuLoad(0.0, 0.41, 1387, 0.0)
    assert parsed("Failed to initialize NVML") == GpuLoad()


def test_the_published_figures_are_those_of_both_codecs():
    assert PUBLISHED == {"H.264": 148, "H.265": 229}


@NO_GPU
def test_without_a_gpu_it_says_so_and_fails(tmp_path, clip):
    with pytest.raises(BenchmarkError, match="there is no NVIDIA GPU here"):
        run(on_cpu(clip, provider="cuda", place="cuda"), lambda _: None)
    done = cityeye("bench", "gpu", "--json", "gpu.json", folder=tmp_path)
    assert done.status == 1
    assert "there is no NVIDIA GPU here" in done.output
    assert not (tmp_path / "gpu.json").exists()


def test_the_kept_results_of_few_rounds_say_on_which_gpu():
    kept = sorted((RESULTS / "few-rounds").glob("*.json"))
    assert kept
    for path in kept:
        machine = read_result(path).machine
        assert machine.gpus[0].driver
        assert machine.commit
