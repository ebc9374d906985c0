"""Loading a package: a good one passes, every mistake is named with file and remedy."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import yaml
from onnx import TensorProto, helper

from models.errors import PackageError
from models.package import ModelPackage, sha256_of
from tests.models.tiny import LABELS, SIZE, tiny_package


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tiny_package(tmp_path).directory


def edit_manifest(directory: Path, change: Callable[[dict], object]) -> None:
    path = directory / "model.yaml"
    document = yaml.safe_load(path.read_text())
    change(document)
    path.write_text(yaml.safe_dump(document))


def edit_graph(directory: Path, change: Callable[[onnx.ModelProto], object]) -> None:
    """Changes the graph and makes the manifest agree with its checksum again."""
    path = directory / "model.onnx"
    model = onnx.load_model(str(path))
    change(model)
    path.write_bytes(model.SerializeToString())
    accept_checksum(directory)


def accept_checksum(directory: Path) -> None:
    checksum = sha256_of(directory / "model.onnx")
    edit_manifest(directory, lambda document: document.update(sha256=checksum))


def test_a_good_package_says_what_it_is(directory):
    package = ModelPackage.load(directory)
    assert str(package) == "tiny/1"
    assert package.labels == LABELS
    assert (package.manifest.input.width, package.manifest.input.height) == SIZE
    assert package.manifest.input.max_batch == 4
    assert package.manifest.output.rows == 20
    assert package.manifest.thresholds.default == 0.3


def test_a_class_may_have_a_threshold_of_its_own_however_it_is_spelled(directory):
    edit_manifest(directory, lambda it: it["thresholds"].update(classes={"CAR": 0.7}))
    assert ModelPackage.load(directory).thresholds == pytest.approx([0.3, 0.7, 0.3])


def test_an_older_manifest_without_a_fit_means_letterboxed_images(directory):
    edit_manifest(directory, lambda document: document["input"].pop("fit"))
    assert ModelPackage.load(directory).manifest.input.fit == "letterbox"


def test_a_manifest_may_ask_for_stretched_images_but_for_nothing_else(directory):
    edit_manifest(directory, lambda document: document["input"].update(fit="stretch"))
    assert ModelPackage.load(directory).manifest.input.fit == "stretch"
    edit_manifest(directory, lambda document: document["input"].update(fit="crop"))
    with pytest.raises(PackageError, match=r"fit.*'letterbox' or 'stretch'"):
        ModelPackage.load(directory)


def test_loading_does_not_import_onnx_runtime(directory):
    script = (
        "import sys, pathlib; from models.package import ModelPackage;"
        "import models.repository;"
        f"ModelPackage.load(pathlib.Path({str(directory)!r}));"
        "sys.exit('onnxruntime' in sys.modules or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert done.returncode == 0


def use_outside_weights(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../secret"


def hide_outside_weights_in_a_branch(model: onnx.ModelProto) -> None:
    tensor = TensorProto(name="hidden", dims=[1], data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    branch = helper.make_graph([], "branch", [], [], [tensor])
    model.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=branch))


def use_foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.acme"


def take_floats(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def fix_the_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def give_seven_columns(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 7


def give_a_second_output(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (use_outside_weights, "keeps weights outside the file"),
        (hide_outside_weights_in_a_branch, "keeps weights outside the file"),
        (use_foreign_operator, "of domain com.acme"),
        (take_floats, r"input pictures must be UINT8 \[N, 64, 96, 3\], is FLOAT"),
        (fix_the_batch, r"is UINT8 \[1, 64, 96, 3\]"),
        (give_seven_columns, r"output detections must be FLOAT \[N, 20, 6\]"),
        (give_a_second_output, "has detections, more"),
    ],
)
def test_a_graph_that_breaks_the_contract_is_refused(directory, change, says):
    edit_graph(directory, change)
    with pytest.raises(PackageError, match=says) as caught:
        ModelPackage.load(directory)
    assert caught.value.file == directory / "model.onnx"


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x07"])
def test_a_file_that_is_no_graph_is_refused(directory, content):
    (directory / "model.onnx").write_bytes(content)
    accept_checksum(directory)
    with pytest.raises(PackageError, match="export the network again"):
        ModelPackage.load(directory)


def test_a_changed_graph_is_refused(directory):
    with (directory / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(PackageError, match=r"sha256 .* the manifest says .* import the model anew"):
        ModelPackage.load(directory)


@pytest.mark.parametrize("name", ["model.yaml", "model.onnx", "labels.txt", "CARD.md"])
def test_a_missing_file_is_named(directory, name):
    (directory / name).unlink()
    with pytest.raises(PackageError, match=f"model tiny/1: .*{name}: is missing") as caught:
        ModelPackage.load(directory)
    assert caught.value.model == "tiny/1"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda it: it.update(colour="blue"), "colour: Extra inputs"),
        (lambda it: it["input"].update(depth=3), "input.depth: Extra inputs"),
        (lambda it: it.pop("licence"), "licence: Field required"),
        (lambda it: it.update(version=1.1), "version: .*put it in quotes"),
        (lambda it: it.update(version="latest"), "version: String should match"),
        (lambda it: it.update(name="../escape"), "name: String should match"),
        (lambda it: it.update(tasks=[]), "tasks: "),
        (lambda it: it["thresholds"].update(default=1.5), "thresholds.default: "),
        (lambda it: it["thresholds"].update(classes={"car": 1}), "thresholds.classes.car: "),
        (
            lambda it: it["thresholds"].update(classes={"tram": 0.5}),
            "thresholds.classes: has a threshold of 'tram', which is no class",
        ),
        (
            lambda it: it["thresholds"].update(classes={"Car": 0.5, "car": 0.4}),
            "twice of one class, as 'Car' and 'car'",
        ),
        (lambda it: it.update(sha256="abc"), "sha256: "),
        (lambda it: it.update(opset=18), "uses opset 17, the manifest says 18"),
        (lambda it: it["output"].update(rows=21), r"must be FLOAT \[N, 21, 6\]"),
        (lambda it: it.update(version="2"), "describes tiny/2 but lies in tiny/1"),
    ],
)
def test_a_mistake_in_the_manifest_is_named(directory, change, says):
    edit_manifest(directory, change)
    with pytest.raises(PackageError, match=says):
        ModelPackage.load(directory)


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "!!python/object:os.system {}"])
def test_a_manifest_that_is_no_mapping_is_refused_in_one_line(directory, text):
    (directory / "model.yaml").write_text(text)
    with pytest.raises(PackageError) as caught:
        ModelPackage.load(directory)
    assert len(str(caught.value).splitlines()) == 1
    assert "model.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"\n\n", "names no class"), (b"car\ncar\n", "repeats car"), (b"\xff\xfe", "is not UTF-8")],
)
def test_unusable_labels_are_refused(directory, content, says):
    (directory / "labels.txt").write_bytes(content)
    with pytest.raises(PackageError, match=says):
        ModelPackage.load(directory)


def test_a_fixed_batch_is_the_largest_batch(tmp_path):
    directory = tiny_package(tmp_path, batch=1).directory
    assert ModelPackage.load(directory).manifest.input.max_batch == 1
    edit_manifest(directory, lambda document: document["input"].update(max_batch=2))
    problem = "UINT8 [2, 64, 96, 3], is UINT8 [1, 64, 96, 3]"
    with pytest.raises(PackageError, match=re.escape(problem)):
        ModelPackage.load(directory)
