"""`cityeye models import`: from a file and a few words to a version that can be tried."""

from __future__ import annotations

import importlib.util

import cv2
import numpy as np
import onnx
import pytest
import yaml

from camera_adapters.geometry import Size, ViewSpec
from cityeye.cli import main
from cityeye.errors import CommandError
from cityeye.images import images_in
from cityeye.model_import import labels_from, mapping_from
from model_tools.shipped_images import golden_images
from models.package import ModelPackage
from models.repository import BUILTIN_ROOT, ModelRepository
from tests.model_tools.networks import yolo_network
from tests.models.tiny import LABELS, SIZE, tiny_package


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with an export, its labels and a map."""
    monkeypatch.chdir(tmp_path)
    onnx.save_model(yolo_network(3, batch=1), str(tmp_path / "street.onnx"))
    (tmp_path / "labels.txt").write_text("\n".join(LABELS) + "\n")
    (tmp_path / "map.yaml").write_text("person: person\ncar: vehicle\nbus: vehicle\n")
    return tmp_path


def test_a_file_becomes_a_version_that_is_listed(folder, capsys):
    words = ["models", "import", "street.onnx", "--name", "street", "--labels", "labels.txt"]
    assert (
        main([*words, "--map", "map.yaml", "--threshold", "0.3", "--tasks", "traffic, crowding"])
        == 0
    )
    said = capsys.readouterr().out
    assert "street/1 is in" in said
    for line in ("head           yolo", "preprocessing  RGB", "labels         person, vehicle"):
        assert line in said
    assert "admission      passed" in said
    package = ModelRepository(folder / "packages").find("street")
    assert package.labels == ("person", "vehicle")
    assert package.manifest.tasks == ("traffic", "crowding")
    assert package.manifest.thresholds.default == 0.3
    assert main(["models", "list", "--path", "packages"]) == 0
    assert "street/1" in capsys.readouterr().out


@pytest.mark.slow
def test_a_package_brings_its_labels_and_facts_along(folder):
    built = tiny_package(folder / "other", name="crowding")
    manifest = built.directory / "model.yaml"
    text = manifest.read_text("utf-8")
    manifest.write_text(text.replace("classes: {}", "classes: {car: 0.6}"), "utf-8")
    built = ModelPackage.load(built.directory)
    words = ["models", "import", str(built.onnx_path), "--name", "crowding", "--repository", "mine"]
    assert main(words) == 0
    package = ModelRepository(folder / "mine").find("crowding")
    assert package.labels == built.labels
    assert package.manifest.thresholds == built.manifest.thresholds
    assert package.manifest.thresholds.classes == {"car": 0.6}
    assert (package.manifest.tasks, package.manifest.licence) == (("traffic",), "none")


@pytest.mark.slow
def test_its_labels_say_what_a_model_is_for(folder):
    words = ["models", "import", "street.onnx", "--name", "street", "--labels", "labels.txt"]
    assert main(words) == 0
    package = ModelRepository(folder / "packages").find("street")
    assert package.manifest.tasks == ("traffic", "crowding")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_built_in_model_is_imported_in_fewer_bits(folder, capsys, precision):
    built_in = ModelRepository(BUILTIN_ROOT).find("crowding")
    (folder / "calibration").mkdir()
    images = golden_images()
    for number, image in enumerate([*images, *(image[:, ::-1] for image in images)]):
        cv2.imwrite(str(folder / "calibration" / f"{number:02}.png"), image[..., ::-1])
    told = ["--fp16"] if precision == "fp16" else ["--int8", "calibration"]
    assert main(["models", "import", str(built_in.onnx_path), "--name", "crowding", *told]) == 0
    said = capsys.readouterr().out
    assert f"precision      {precision}" in said
    assert "fidelity_ap50" in said
    package = ModelRepository(folder / "packages").find("crowding")
    assert package.manifest.precision == precision
    assert package.manifest.tasks == ("crowding",)
    assert package.manifest.measured["fidelity_recall"] > 0.8
    assert package.onnx_path.stat().st_size < 0.75 * built_in.onnx_path.stat().st_size


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--size", "640"], "--size 640 is no size; write it like 640x384"),
        (["--mean", "1,2"], "--mean 1,2 must be three numbers"),
        (["--labels", "absent.txt"], "absent.txt cannot be read"),
        (["--map", "labels.txt"], "must hold lines like `car: car`"),
        (["--golden", "absent"], "there is no folder absent"),
        (["--fp16", "--int8", "."], "exclude each other"),
        (["--name", "Street One"], "Street One is no name for a package"),
        (["--head", "detr"], "it has no output boxes, labels, scores"),
        (["--std", "0,1,1"], "a deviation of 0 cannot be divided by"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(folder, capsys, more, says):
    words = ["models", "import", "street.onnx", "--name", "street", "--labels", "labels.txt"]
    assert main([*words, *more]) == 1
    assert says in capsys.readouterr().err
    assert not (folder / "packages").exists()


def test_a_file_that_is_not_there_is_said_so(folder, capsys):
    assert main(["models", "import", "absent.onnx", "--name", "street"]) == 1
    assert "there is no file absent.onnx" in capsys.readouterr().err


def test_a_checkpoint_is_not_loaded_unless_it_is_trusted(folder, capsys):
    (folder / "best.pt").write_bytes(b"cposix\nsystem\n(S'touch broken'\ntR.")
    assert main(["models", "import", "best.pt", "--name", "street"]) == 1
    assert "loading it runs whatever code is in it" in capsys.readouterr().err
    assert not (folder / "broken").exists()


def test_a_trusted_checkpoint_needs_the_export_extra(folder, capsys):
    if importlib.util.find_spec("ultralytics"):
        pytest.skip("the export extra is installed")
    (folder / "best.pt").write_bytes(b"weights")
    assert main(["models", "import", "best.pt", "--name", "street", "--trust-pt"]) == 1
    assert "make export-tools" in capsys.readouterr().err


def test_labels_may_be_those_of_coco():
    assert labels_from("coco")[79] == "toothbrush"
    assert len(set(labels_from("coco"))) == 80


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- car", "must hold lines like"),
        ("car: {a: b}", "car must be a label or null"),
        ("a: &x car\nb: *x", "is not YAML"),
        ("a: [", "is not YAML"),
        ("", "must hold lines like"),
    ],
)
def test_a_map_that_is_none_is_refused(tmp_path, text, says):
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(CommandError, match=says):
        mapping_from(tmp_path / "map.yaml")


def test_a_map_says_what_is_dropped(tmp_path):
    document = {"car": "vehicle", "cell phone": None}
    (tmp_path / "map.yaml").write_text(yaml.safe_dump(document))
    assert mapping_from(tmp_path / "map.yaml") == document


def test_images_of_a_folder_are_letterboxed_as_cameras_do(tmp_path):
    for index, colour in enumerate(((255, 0, 0), (0, 255, 0), (0, 0, 255))):
        path = tmp_path / "below" / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), np.full((40, 40, 3), colour[::-1], np.uint8))
    found = images_in(tmp_path, ViewSpec(Size(*SIZE)), 2)
    assert found.shape == (2, SIZE[1], SIZE[0], 3)
    assert found[0, 32, 48].tolist() == [255, 0, 0]
    assert found[1, 32, 48].tolist() == [0, 255, 0]
    assert (found[:, :, 0] == 114).all()
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(CommandError, match=r"bad\.jpg is not a readable image"):
        images_in(tmp_path, ViewSpec(Size(*SIZE)), 9)
