"""The whole way: a file on disk becomes the next version, or leaves nothing behind."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import ModelProto

from model_tools.importing import importer
from model_tools.importing.importer import RefusedError, ValidationImages, import_model
from model_tools.importing.request import ImportRequest
from model_tools.importing.staging import HIDDEN, next_version
from models.admission import is_admitted
from models.detector import Detector
from models.errors import ModelError
from models.golden import GoldenSet
from models.package import ModelPackage, sha256_of
from models.repository import ModelRepository
from tests.model_tools.heads.numpy_heads import Wanted, expected
from tests.model_tools.networks import end_to_end_network, yolo_network
from tests.models.tiny import LABELS, SIZE, Patches, random_images, tiny_package, yolox_network

NETWORK = yolo_network(3, batch=1)
IMAGES = random_images(3)


def saved(folder: Path, network: ModelProto = NETWORK) -> Path:
    path = folder / "street.onnx"
    onnx.save_model(network, str(path))
    return path


def bring_in(folder: Path, file: Path, images: np.ndarray = IMAGES, **options):
    request = ImportRequest(**{"name": "street", "file": file.name, "labels": LABELS, **options})
    noise = ValidationImages(images, "noise")
    return import_model(file, request, folder / "packages", lambda inspected: noise)


def test_a_fixed_export_becomes_a_package_for_any_batch_that_finds_the_same(tmp_path):
    done = bring_in(tmp_path, saved(tmp_path), max_batch=4, threshold=0.3, tasks=("traffic",))
    package = done.package
    assert package.directory == tmp_path / "packages" / "street" / "1"
    assert package.labels == LABELS
    assert package.manifest.tasks == ("traffic",)
    assert (package.manifest.input.dynamic_batch, package.manifest.input.max_batch) == (True, 4)
    source = package.manifest.source
    assert (source.file, source.head) == ("street.onnx", "yolo")
    assert source.sha256 == sha256_of(tmp_path / "street.onnx")
    assert is_admitted(package)
    images = random_images(5, seed=8)
    wanted = expected(
        NETWORK, Wanted("yolo", SIZE, SIZE, ((0,), (1,), (2,)), 300, 0.01, 0.7), images
    )
    found = Detector(package).run(images)
    np.testing.assert_allclose(found[..., 4], wanted[..., 4], atol=1e-3)
    golden = GoldenSet.load(package.directory / "golden.npz")
    np.testing.assert_array_equal(golden.images, IMAGES)
    assert sha256_of(package.directory / "golden.npz") == package.manifest.golden


@pytest.mark.slow
def test_the_card_tells_where_it_comes_from_and_what_was_not_measured(tmp_path):
    done = bring_in(
        tmp_path, saved(tmp_path), mapping={"car": "vehicle", "bus": "vehicle"}, licence="MIT"
    )
    card = (done.package.directory / "CARD.md").read_text()
    assert "Imported from `street.onnx`" in card
    assert "1 of the network's 3 classes: vehicle" in card
    assert "car → vehicle, bus → vehicle" in card
    assert "the file took exactly 1, which was rewritten and verified" in card
    assert "Licence of the weights: MIT" in card
    assert "Not measured on labelled images" in card


@pytest.mark.slow
def test_everybody_who_may_read_the_manifest_may_read_the_rest(tmp_path):
    before = os.umask(0o022)
    try:
        directory = bring_in(tmp_path, saved(tmp_path)).package.directory
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {0o644}
    assert {path.name for path in directory.iterdir()} == {
        *("CARD.md", "admission.json", "golden.npz", "labels.txt", "model.onnx", "model.yaml")
    }


@pytest.mark.slow
def test_versions_count_on_from_the_highest(tmp_path):
    root = tmp_path / "packages"
    tiny_package(root, name="street", version="9.5")
    file = saved(tmp_path)
    assert bring_in(tmp_path, file).package.version == "10"
    assert bring_in(tmp_path, file).package.version == "11"
    assert ModelRepository(root).versions("street") == ("9.5", "10", "11")


def held_batch(network: ModelProto) -> ModelProto:
    """The same network with a constant that only one image fits."""
    copy = ModelProto()
    copy.CopyFrom(network)
    copy.graph.initializer.append(
        onnx.numpy_helper.from_array(np.zeros((1, 3, 64, 96), np.float32), "none")
    )
    node = onnx.helper.make_node("Concat", ["images", "none"], ["both"], axis=1)
    for index, name in enumerate(("three", "zero", "channel")):
        value = np.array([(3, 0, 1)[index]])
        copy.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    cut = onnx.helper.make_node("Slice", ["both", "zero", "three", "channel"], ["held"])
    for old in copy.graph.node:
        old.input[:] = ["held" if name == "images" else name for name in old.input]
    nodes = [node, cut, *copy.graph.node]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


@pytest.mark.slow
def test_a_network_that_holds_on_to_its_batch_keeps_it(tmp_path):
    package = bring_in(tmp_path, saved(tmp_path, held_batch(NETWORK))).package
    assert (package.manifest.input.dynamic_batch, package.manifest.input.max_batch) == (False, 1)
    assert len(Detector(package).run(random_images(3))) == 3


@pytest.mark.slow
def test_a_package_is_imported_again(tmp_path):
    built = tiny_package(tmp_path / "other")
    done = bring_in(tmp_path, built.onnx_path)
    assert done.inspected.head == "packaged"
    assert done.package.manifest.sha256 == built.manifest.sha256
    one = bring_in(tmp_path, built.onnx_path, mapping={"bus": "bus"})
    assert one.package.labels == ("bus",)


@pytest.mark.parametrize(
    ("network", "options", "says"),
    [
        (NETWORK, {"labels": LABELS[:2]}, "has 3 classes, but the given labels are 2"),
        (end_to_end_network(3), {"labels": LABELS[:1]}, "finds class [12], but only 1 are named"),
        (NETWORK, {"head": "detr"}, "with head detr|has no output boxes"),
        (NETWORK, {"head": "yolox"}, "the network has .* classes|must have 8 on axis 2"),
    ],
)
def test_what_cannot_be_used_is_a_sentence_and_leaves_nothing(tmp_path, network, options, says):
    with pytest.raises(ModelError, match=says):
        bring_in(tmp_path, saved(tmp_path, network), **options)
    assert not (tmp_path / "packages").exists()


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x07" * 50])
def test_what_is_no_network_is_a_sentence_and_leaves_nothing(tmp_path, content):
    file = tmp_path / "street.onnx"
    file.write_bytes(content)
    root = tmp_path / "packages"
    tiny_package(root, name="street", version="1")
    with pytest.raises(ModelError, match="street: "):
        bring_in(tmp_path, file)
    assert sorted(path.name for path in root.rglob("*") if path.is_dir()) == ["1", "street"]


@pytest.mark.slow
def test_images_on_which_nothing_is_found_prove_nothing(tmp_path):
    network = yolox_network(Patches(8, 9, 0.0, -9.0), 3)
    with pytest.raises(ModelError, match=r"finds nothing on the 3 images.* give --golden"):
        bring_in(tmp_path, saved(tmp_path, network))
    assert not (tmp_path / "packages").exists()


@pytest.mark.slow
def test_what_admission_refuses_is_not_in_the_repository(tmp_path, monkeypatch):
    def spoiled(directory, manifest, labels, card):
        importer_write(directory, manifest, labels[:1], card)

    importer_write = importer.write_texts
    monkeypatch.setattr(importer, "write_texts", spoiled)
    with pytest.raises(RefusedError, match="street/1"):
        bring_in(tmp_path, saved(tmp_path))
    assert not (tmp_path / "packages").exists()


@pytest.mark.slow
def test_a_broken_graph_builder_cannot_prove_itself(tmp_path, monkeypatch):
    """Golden rows come from the reference, so a graph that reads boxes otherwise is found out."""
    from model_tools.importing import building, fusing

    file = saved(tmp_path)
    images = tmp_path / "images.npz"
    np.savez(images, images=IMAGES)
    request = ImportRequest(name="street", file=file.name, labels=LABELS)
    right = fusing.wrap

    def wrong(network, head, task, preprocessing):
        return right(network, head, type(task)(task.size, 3, ((1,), (0,), (2,)), task.selection))

    monkeypatch.setattr(fusing, "wrap", wrong)
    arguments = {
        "request": request.to_json(),
        "network": str(file),
        "images": str(images),
        "out": str(tmp_path),
    }
    with pytest.raises(ModelError, match="differs from the network itself"):
        building.build(arguments, lambda step, seconds=None: None)


def claim(root: Path, ready, numbers) -> None:
    ready.wait()
    with next_version(root, "street") as staging:
        numbers.put(staging.version)
        tiny_package(staging.root / HIDDEN, name="street", version=staging.version)
        staging.publish()


def test_imports_at_once_get_versions_of_their_own(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, numbers = context.Event(), context.Queue()
    processes = [context.Process(target=claim, args=(tmp_path, ready, numbers)) for _ in range(6)]
    for process in processes:
        process.start()
    ready.set()
    for process in processes:
        process.join(60)
    assert sorted(numbers.get() for _ in processes) == ["1", "2", "3", "4", "5", "6"]
    assert ModelRepository(tmp_path).versions("street") == ("1", "2", "3", "4", "5", "6")
    assert [path.name for path in tmp_path.iterdir()] == ["street"]


def test_what_a_killed_import_left_is_swept_away(tmp_path):
    stale = tmp_path / HIDDEN / "street" / "1"
    stale.mkdir(parents=True)
    (stale / "model.onnx").write_bytes(b"half")
    with next_version(tmp_path, "street") as staging:
        assert staging.version == "1"
        assert not list(staging.directory.iterdir())
        with next_version(tmp_path, "street") as other:
            assert other.version == "2", "a running import is not stale"
    assert not list(tmp_path.iterdir())


def test_a_version_that_appeared_meanwhile_is_not_replaced(tmp_path):
    with next_version(tmp_path, "street") as staging:
        tiny_package(tmp_path / HIDDEN, name="street", version="1")
        there = tiny_package(tmp_path, name="street", version="1", seed=2)
        before = there.manifest.sha256
        with pytest.raises(OSError, match="not empty"):
            staging.publish()
    assert ModelPackage.load(tmp_path / "street" / "1").manifest.sha256 == before


@pytest.mark.slow
def test_the_manifest_is_plain_yaml(tmp_path):
    directory = bring_in(tmp_path, saved(tmp_path)).package.directory
    document = yaml.safe_load((directory / "model.yaml").read_text())
    assert document["precision"] == "fp32"
    assert document["source"]["preprocessing"] == "RGB, values 0 to 1"
