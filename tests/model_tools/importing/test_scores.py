"""Sigmoid or softmax: as an option says, as the graph shows, as a run shows, or asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from model_tools.importing.importer import ValidationImages, import_model
from model_tools.importing.request import ImportRequest
from models.detector import Detector
from models.errors import ModelError
from tests.model_tools.heads.numpy_heads import session_of
from tests.model_tools.networks import logits_network
from tests.models.tiny import LABELS, QUERIES, SIZE, Patches, random_images, yolox_network

GREY = np.full((1, SIZE[1], SIZE[0], 3), 127, np.uint8)


def leaning(*no_object: float) -> ModelProto:
    """Logits whose last column is larger by so much, in turns from query to query."""
    network = logits_network(3, nothing=True)
    lean = np.zeros((QUERIES, 4), np.float32)
    lean[:, 3] = np.resize(no_object, QUERIES)
    network.graph.initializer.append(onnx.numpy_helper.from_array(lean, "lean"))
    last = next(node for node in network.graph.node if "logits" in node.output)
    last.CopyFrom(onnx.helper.make_node("Add", [last.input[0], "lean"], ["logits"]))
    return network


def bring_in(folder: Path, network: ModelProto, **options):
    file = folder / "street.onnx"
    onnx.save_model(network, str(file))
    request = ImportRequest(
        name="street", file=file.name, labels=LABELS, size=SIZE, **{"threshold": 0.0, **options}
    )
    images = ValidationImages(random_images(3), "noise")
    return import_model(file, request, folder / "packages", lambda inspected: images)


def best_scores(network: ModelProto, kind: str) -> np.ndarray:
    planes = np.full((1, 3, SIZE[1], SIZE[0]), 127 / 255, np.float32)
    (logits,) = session_of(network).run(["logits"], {"images": planes})
    if kind == "softmax":
        scores = (np.exp(logits[0]) / np.exp(logits[0]).sum(1, keepdims=True))[:, :3].max(1)
    else:
        scores = 1 / (1 + np.exp(-logits[0, :, :3]))
    return np.sort(scores.ravel())[::-1][:3]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("no_object", "options", "kind"),
    [
        pytest.param(-2.0, {}, "sigmoid", id="a column that nothing uses, as RF-DETR renamed"),
        pytest.param(5.0, {}, "softmax", id="a class for no object, as DETR"),
        pytest.param(5.0, {"scores": "sigmoid"}, "sigmoid", id="as an option says"),
    ],
)
def test_bare_logits_become_the_scores_that_they_were_trained_for(
    tmp_path, no_object, options, kind
):
    network = leaning(no_object)
    done = bring_in(tmp_path, network, **options)
    said = f"{kind}, added at import; the last class column is no object"
    assert done.package.manifest.source.scores == said
    assert f"Scores: {said}." in (done.package.directory / "CARD.md").read_text()
    found = np.sort(Detector(done.package).run(GREY)[0, :, 4])[::-1][:3]
    np.testing.assert_allclose(found, best_scores(network, kind), atol=1e-3)
    measured = [one for one in done.inspected.notices if "blank images" in one]
    assert len(measured) == (not options)


def test_what_a_run_does_not_show_is_asked_for(tmp_path):
    with pytest.raises(ModelError, match=r"largest in \d\d%.*give --scores softmax"):
        bring_in(tmp_path, leaning(9.0, -9.0))
    assert not (tmp_path / "packages").exists()


@pytest.mark.slow
def test_a_head_that_gets_its_scores_cannot_be_told_otherwise(tmp_path):
    network = yolox_network(Patches(8, 9, 0.008, 0.3), 3)
    done = bring_in(tmp_path, network)
    assert done.package.manifest.source.scores == "sigmoid inside the network"
    with pytest.raises(ModelError, match="head yolox cannot have --scores softmax"):
        bring_in(tmp_path, network, scores="softmax")
