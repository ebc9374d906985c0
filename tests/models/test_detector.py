"""Running packages on real ONNX sessions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import yaml

from models.detector import Detector
from models.errors import ImageError, SessionError
from models.package import ModelPackage, sha256_of
from tests.models.tiny import SIZE, random_images, tiny_package

HAS_GPU = "CUDAExecutionProvider" in ort.get_available_providers()


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return Detector(tiny_package(tmp_path_factory.mktemp("packages")))


def test_rows_come_back_per_image(detector):
    rows = detector.run(random_images(3))
    assert rows.shape == (3, 20, 6)
    assert rows.dtype == np.float32
    assert detector.provider == "cpu"


def test_detections_are_sorted_and_above_the_default_threshold(detector):
    images = random_images(2)
    for rows, found in zip(detector.run(images), detector.detect(images), strict=True):
        assert len(found) == (rows[:, 4] > 0.3).sum() > 0
        assert (np.diff(found.scores) <= 0).all()
        assert found.class_ids.max() < 3


def test_a_threshold_of_the_caller_wins(detector):
    images = random_images(1)
    everything = detector.detect(images, 0.0)[0]
    middle = float(np.median(everything.scores))
    better = detector.detect(images, middle)[0]
    assert 0 < len(better) < len(everything)
    assert (better.scores > middle).all()


def test_more_than_the_largest_batch_is_split_without_changing_the_answer(detector):
    images = random_images(11)
    together = detector.run(images)
    one_by_one = np.concatenate([detector.run(one[None]) for one in images])
    np.testing.assert_allclose(together, one_by_one, atol=1e-3)


def test_no_image_gives_no_rows(detector):
    assert detector.run(random_images(0)).shape == (0, 20, 6)
    assert detector.detect(random_images(0)) == []


def test_read_only_and_strided_images_are_taken(detector):
    images = random_images(6)
    images.flags.writeable = False
    np.testing.assert_array_equal(detector.run(images[::2]), detector.run(images[::2].copy()))


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, SIZE[1], SIZE[0], 3), np.float32),
        np.zeros((SIZE[1], SIZE[0], 3), np.uint8),
        np.zeros((1, SIZE[0], SIZE[1], 3), np.uint8),
        np.zeros((1, 3, SIZE[1], SIZE[0]), np.uint8),
    ],
    ids=["floats", "no batch", "sideways", "planes"],
)
def test_other_images_are_refused_with_what_is_wanted(detector, images):
    with pytest.raises(ImageError, match=r"tiny/1: images must be uint8 \(N, 64, 96, 3\)"):
        detector.run(images)


def test_a_package_that_stretches_takes_images_of_any_size(tmp_path):
    package = tiny_package(tmp_path)
    manifest = package.directory / "model.yaml"
    document = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    document["input"]["fit"] = "stretch"
    manifest.write_text(yaml.safe_dump(document), encoding="utf-8")
    stretching = Detector(ModelPackage.load(package.directory))
    images = random_images(2)
    twice = images.repeat(2, axis=1).repeat(3, axis=2)
    for plain, large in zip(stretching.detect(images), stretching.detect(twice), strict=True):
        assert 0 < len(plain) == len(large)
        np.testing.assert_allclose(plain.boxes * [3, 2, 3, 2], large.boxes, rtol=0.02, atol=1.0)
    with pytest.raises(ImageError, match="scale them to the input size"):
        Detector(package).detect(twice)
    with pytest.raises(ImageError, match="got uint8"):
        stretching.detect(images[0])


def test_threads_may_share_a_detector(detector):
    batches = [random_images(2, seed) for seed in range(8)]
    alone = [detector.run(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        shared = list(pool.map(detector.run, batches * 4))
    for index, rows in enumerate(shared):
        np.testing.assert_array_equal(rows, alone[index % 8])


@pytest.mark.parametrize("batch", [1, 2])
def test_a_graph_of_a_fixed_batch_takes_any_number_of_images(tmp_path, batch):
    fixed = Detector(tiny_package(tmp_path / "fixed", batch=batch))
    free = Detector(tiny_package(tmp_path / "free"))
    images = random_images(3)
    np.testing.assert_allclose(fixed.run(images), free.run(images), atol=1e-4)


def test_a_graph_that_onnx_runtime_refuses_is_one_clear_error(tmp_path):
    package = tiny_package(tmp_path)
    model = onnx.load_model(str(package.onnx_path))
    model.graph.node[0].op_type = "Transpoze"
    package.onnx_path.write_bytes(model.SerializeToString())
    manifest = package.directory / "model.yaml"
    document = yaml.safe_load(manifest.read_text())
    document["sha256"] = sha256_of(package.onnx_path)
    manifest.write_text(yaml.safe_dump(document))
    with pytest.raises(SessionError, match="tiny/1: ONNX Runtime cannot load"):
        Detector(ModelPackage.load(package.directory))


@pytest.mark.skipif(HAS_GPU, reason="this ONNX Runtime has a GPU provider")
def test_a_wanted_gpu_that_is_not_there_is_an_error_and_auto_takes_the_cpu(tmp_path):
    package = tiny_package(tmp_path)
    with pytest.raises(SessionError, match="install the gpu extra"):
        Detector(package, provider="cuda")
    assert Detector(package, provider="auto").provider == "cpu"


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="this ONNX Runtime has no GPU provider")
def test_the_gpu_gives_the_same_rows_as_the_cpu(tmp_path):
    package = tiny_package(tmp_path)
    on_gpu = Detector(package, provider="cuda")
    assert on_gpu.provider == "cuda"
    images = random_images(3)
    np.testing.assert_allclose(on_gpu.run(images), Detector(package).run(images), atol=1e-2)
