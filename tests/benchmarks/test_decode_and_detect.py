"""Decoding and inference alone, for a fraction of a second each: the results fit together."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.decode import ADAPTER, CONVERTED, OPENCV, DecodeBenchmark, stream_counts
from benchmarks.decode import run as run_decode
from benchmarks.detect import DetectBenchmark
from benchmarks.detect import run as run_detect
from benchmarks.errors import BenchmarkError
from benchmarks.machine import whole_cores
from benchmarks.subject import clips_of, images_of, package_of
from models import UnknownModelError, has_cuda
from serving import model_ref
from tests.e2e.command import cityeye

TRAFFIC = package_of("traffic")
VIEW = model_ref(TRAFFIC).view


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "own.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (320, 240))
    rng = np.random.default_rng(0)
    for _ in range(12):
        writer.write(rng.integers(0, 256, (240, 320, 3), np.uint8))
    writer.release()
    return path


@pytest.fixture(scope="module")
def decoded(clip):
    return run_decode(DecodeBenchmark({"own": clip}, VIEW, (1, 2), 2, 0.02), lambda _: None)


def test_each_decoder_is_measured_with_each_number_of_streams(decoded):
    decoders = [name + how for how in ("", CONVERTED) for name in (ADAPTER, OPENCV)]
    for decoder in decoders:
        for streams in (1, 2):
            where = f"[clip=own,decoder={decoder},streams={streams}]"
            assert min(decoded.metric(f"frames_per_s{where}").samples) > 0
            assert len(decoded.metric(f"cpu_ms{where}").samples) == 2
    assert [row[:3] for row in decoded.tables[0].rows] == [
        ("own", streams, end) for streams in (1, 2) for end in ("decoded", "converted")
    ]


def test_decoding_is_measured_with_and_without_conversion(decoded):
    for decoder in (ADAPTER, OPENCV):
        for steps in (decoder, f"{decoder}{CONVERTED}"):
            assert decoded.metric(f"frames_per_s[clip=own,decoder={steps},streams=1]").median > 0


def test_the_result_of_decoding_says_what_was_decoded(decoded):
    assert decoded.benchmark == "decode"
    assert decoded.settings["clips"]["own"].startswith("320x240")
    assert decoded.settings["input"] == "640x384"
    assert {line.name for line in decoded.plot.lines} == {
        "own: adapter",
        f"own: {ADAPTER}{CONVERTED}",
    }


def test_streams_follow_from_the_cores():
    assert stream_counts()[0] == 1
    assert stream_counts()[-1] == 2 * whole_cores()


def test_a_recording_loops_for_as_many_images_as_are_wanted(clip):
    images = images_of(clip, VIEW, 15)
    assert images.shape == (15, 384, 640, 3)
    assert images.dtype == np.uint8


def test_a_recording_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BenchmarkError, match=r"none\.mp4"):
        clips_of(tmp_path / "none.mp4", tmp_path, lambda _: None)


def test_a_package_is_found_by_name_and_by_folder():
    assert package_of("no matter", TRAFFIC.directory) == TRAFFIC
    assert package_of("traffic/1") == TRAFFIC
    with pytest.raises(UnknownModelError):
        package_of("elephants")


@pytest.fixture(scope="module")
def detected(clip):
    benchmark = DetectBenchmark(
        [TRAFFIC], clip, precisions=("fp32", "fp16"), providers=("cpu",), batches=(1, 2),
        threads=(1,), callers=(1, 2), rounds=2, round_s=0.02,
    )  # fmt: skip
    return run_detect(benchmark, lambda _: None)


@pytest.mark.slow
def test_every_setting_is_measured(detected):
    for precision in ("fp32", "fp16"):
        for callers in (1, 2):
            for batch in (1, 2):
                how = (
                    f"provider=cpu,precision={precision},threads=1,callers={callers},batch={batch}"
                )
                assert min(detected.metric(f"images_per_s[{how}]").samples) > 0
                p50 = detected.metric(f"p50_ms[{how}]").samples
                p95 = detected.metric(f"p95_ms[{how}]").samples
                assert all(0 < low <= high for low, high in zip(p50, p95, strict=True))
    assert len(detected.tables[0].rows) == 8
    assert len(detected.plot.lines) == 4


@pytest.mark.slow
def test_a_batch_takes_longer_than_an_image(detected):
    how = "provider=cpu,precision=fp32,threads=1,callers=1"
    assert (
        detected.metric(f"p50_ms[{how},batch=2]").median
        > detected.metric(f"p50_ms[{how},batch=1]").median
    )
    assert detected.settings["sha256"].keys() == {"fp32", "fp16"}


def test_a_precision_that_cannot_be_made_is_refused(clip):
    int8 = TRAFFIC.manifest.model_copy(update={"precision": "int8"})
    own = type(TRAFFIC)(**{**_fields(TRAFFIC), "manifest": int8})
    with pytest.raises(BenchmarkError, match="fp32 cannot be made"):
        run_detect(DetectBenchmark([own], clip, ("fp32",), ("cpu",)), lambda _: None)
    with pytest.raises(BenchmarkError, match="same precision"):
        run_detect(DetectBenchmark([TRAFFIC] * 2, clip, (), ("cpu",)), lambda _: None)


def _fields(package):
    return {name: getattr(package, name) for name in type(package).__dataclass_fields__}


@pytest.mark.gpu
@pytest.mark.skipif(not has_cuda(), reason="no GPU")
def test_a_gpu_is_measured_too(clip):
    benchmark = DetectBenchmark([TRAFFIC], clip, batches=(1, 8), rounds=2, round_s=0.05)
    measured = run_detect(benchmark, lambda _: None)
    how = "provider=cuda,precision=fp16,threads=1,callers=1,batch=8"
    assert measured.metric(f"images_per_s[{how}]").median > 0


@pytest.mark.slow
def test_the_commands_write_a_result_and_a_plot(tmp_path, clip):
    few = ("--rounds", "1", "--seconds", "0.05", "--clip", str(clip))
    files = ("--json", "one.json", "--plot", "one.svg")
    decode = cityeye("bench", "decode", *few, *files, "--streams", "1", folder=tmp_path)
    assert decode.status == 0, decode.output
    assert "frames/s" in decode.output
    assert (tmp_path / "one.json").exists()
    options = ("--batch", "1", "--precision", "fp32", "--threads", "1", "--callers", "1")
    package = ("--package", str(TRAFFIC.directory))
    detect = cityeye("bench", "detect", *few, *options, *package, *files, folder=tmp_path)
    assert detect.status == 0, detect.output
    assert "images/s" in detect.output
    bad = cityeye("bench", "decode", "--json", "no/such/one.json", folder=tmp_path)
    assert bad.status == 1
    assert "no folder" in bad.output
