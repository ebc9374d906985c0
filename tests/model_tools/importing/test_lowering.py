"""The same version in another precision: the same outside, admitted by the same golden rows."""

from __future__ import annotations

import pytest

from model_tools.admission import admit
from model_tools.importing import lowered
from model_tools.importing.staging import next_version
from models import BUILTIN_ROOT, GraphError, ModelPackage, ModelRepository
from models.admission import why_not_admitted
from tests.models.tiny import random_images, tiny_package

NO_IMAGES = random_images(0)


@pytest.fixture(scope="module")
def half(tmp_path_factory) -> ModelPackage:
    package = ModelRepository(BUILTIN_ROOT).find("traffic", "1")
    return lowered(package, "fp16", NO_IMAGES, tmp_path_factory.mktemp("packages"))


def test_it_says_what_it_was_made_from(half):
    fp32 = ModelRepository(BUILTIN_ROOT).find("traffic", "1")
    assert str(half) == "traffic/1+fp16"
    manifest = half.manifest
    assert manifest.precision == "fp16"
    assert (manifest.source.file, manifest.source.sha256) == (
        "traffic/1/model.onnx",
        fp32.manifest.sha256,
    )
    assert (manifest.input, manifest.thresholds, half.labels) == (
        fp32.manifest.input,
        fp32.manifest.thresholds,
        fp32.labels,
    )
    assert manifest.measured == {}, "what was measured of fp32 is not so of another graph"
    card = (half.directory / "CARD.md").read_text("utf-8")
    assert card.startswith("# traffic 1+fp16\n\ntraffic/1 in fp16. What it finds was not compared")


def test_it_is_not_admitted_before_it_was_compared_with_the_golden_rows(half):
    assert why_not_admitted(half)
    assert half.manifest.golden
    assert admit(half.directory).passed
    assert why_not_admitted(half) == ""


def test_the_next_import_gets_the_next_number(half):
    with next_version(half.directory.parents[1], "traffic") as staging:
        assert staging.version == "2"


def test_a_network_that_cannot_be_lowered_leaves_nothing(tmp_path):
    package = tiny_package(tmp_path)
    with pytest.raises(GraphError, match="keep it as it is"):
        lowered(package, "fp16", NO_IMAGES, tmp_path)
    assert ModelRepository(tmp_path).versions("tiny") == ("1",)
