"""Weights beside the file are merged into it; what is not plainly beside it is not read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto
from onnx.external_data_helper import convert_model_to_external_data

from model_tools.importing import external_data
from model_tools.importing.external_data import merge_external_data
from model_tools.importing.importer import ValidationImages, import_model
from model_tools.importing.request import ImportRequest
from models.graph.contract import check_self_contained, parse_model, read_model
from models.graph.violation import ContractViolation
from models.package import sha256_of
from tests.model_tools.networks import yolo_network
from tests.models.tiny import LABELS, random_images

DATA = "street.onnx.data"


def saved_apart(folder: Path, *, one_file: bool = True) -> Path:
    """As exporters write large networks."""
    network = yolo_network(3, batch=1)
    convert_model_to_external_data(
        network, all_tensors_to_one_file=one_file, location=DATA, size_threshold=0
    )
    path = folder / "street.onnx"
    onnx.save_model(network, str(path))
    return path


@pytest.mark.parametrize("one_file", [True, False])
def test_what_is_merged_is_what_was_saved(tmp_path, one_file):
    path = saved_apart(tmp_path, one_file=one_file)
    model = read_model(path)
    with pytest.raises(ContractViolation, match="keeps weights outside the file"):
        check_self_contained(model)
    assert merge_external_data(model, tmp_path) > 10_000
    assert merge_external_data(model, tmp_path) == 0
    check_self_contained(model)
    assert "external" not in str(model)
    given = {one.name: onnx.numpy_helper.to_array(one) for one in yolo_network(3).graph.initializer}
    for tensor in model.graph.initializer:
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), given[tensor.name])


@pytest.mark.slow
def test_a_network_with_weights_beside_it_becomes_a_package_without(tmp_path):
    path = saved_apart(tmp_path)
    request = ImportRequest(name="street", file=path.name, labels=LABELS)
    images = ValidationImages(random_images(3), "noise")
    done = import_model(path, request, tmp_path / "packages", lambda inspected: images)
    assert done.package.manifest.source.sha256 == sha256_of(path)
    assert any("bytes of weights that lay beside the file" in one for one in done.inspected.notices)
    names = {one.name for one in done.package.directory.iterdir()}
    assert names == {
        *("CARD.md", "admission.json", "golden.npz", "labels.txt", "model.onnx", "model.yaml")
    }


def pointing(**entries: str) -> ModelProto:
    """A network whose first weight lies where the entries say."""
    network = yolo_network(3)
    tensor = network.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return parse_model(network.SerializeToString())


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"location": "/etc/passwd"}, "not a name of a file beside it"),
        ({"location": "../secret"}, "not a name of a file beside it"),
        ({"location": "folder/weights"}, "not a name of a file beside it"),
        ({"location": ".."}, "not a name of a file beside it"),
        ({}, "not a name of a file beside it"),
        ({"location": "link"}, "cannot be read"),
        ({"location": "pipe"}, "not an ordinary file"),
        ({"location": "folder"}, "not an ordinary file"),
        ({"location": "gone"}, r"is not beside it"),
        ({"location": "weights", "offset": "-1"}, r"impossible range \(-1\)"),
        ({"location": "weights", "length": "1e9"}, r"impossible range \(1e9\)"),
        ({"location": "weights", "offset": "60", "length": "5"}, "has 64 bytes, fewer than"),
    ],
)
def test_what_is_not_plainly_beside_the_file_is_refused(tmp_path, entries, says):
    (tmp_path.parent / "secret").write_bytes(b"secret")
    (tmp_path / "weights").write_bytes(bytes(64))
    (tmp_path / "link").symlink_to(tmp_path.parent / "secret")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ContractViolation, match=says) as caught:
        merge_external_data(pointing(**entries), tmp_path)
    assert "weights inside" in caught.value.remedy


def test_weights_count_against_the_limit_of_a_file(tmp_path, monkeypatch):
    """Many tensors may point at the same bytes."""
    path = saved_apart(tmp_path)
    model = read_model(path)
    limit = (tmp_path / DATA).stat().st_size
    monkeypatch.setattr(external_data, "MAX_MODEL_BYTES", limit)
    with pytest.raises(ContractViolation, match=f"larger than {limit} bytes"):
        merge_external_data(model, tmp_path)


def test_bytes_that_do_not_fit_the_tensor_are_refused(tmp_path):
    (tmp_path / "weights").write_bytes(bytes(64))
    model = pointing(location="weights")
    merge_external_data(model, tmp_path)
    with pytest.raises(ContractViolation, match="bytes and holds 64"):
        check_self_contained(model)


def test_weights_of_anything_but_the_main_graph_stay_refused(tmp_path):
    (tmp_path / "weights").write_bytes(bytes(64))
    model = yolo_network(3)
    inner = onnx.helper.make_tensor("inner", TensorProto.FLOAT, [16], bytes(64), raw=True)
    inner.ClearField("raw_data")
    inner.data_location = TensorProto.EXTERNAL
    inner.external_data.add(key="location", value="weights")
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["unused"], value=inner))
    assert merge_external_data(model, tmp_path) == 0
    with pytest.raises(ContractViolation, match="keeps weights outside the file"):
        check_self_contained(model)
