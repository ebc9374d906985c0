"""The packages that ship: what they are, and that they find things in images never trained on."""

from __future__ import annotations

import tomllib
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from model_tools.evaluation import GroundTruth, evaluate, mean_average_precision
from models.admission import why_not_admitted
from models.detector import Detector
from models.package import ModelPackage
from models.repository import BUILTIN_ROOT, ModelRepository
from simulation.scenes import (
    EVALUATION_SEEDS,
    LABELS,
    SEEDS_PER_VIEW,
    place_of,
    render_samples,
)
from simulation.training.recipe import recipe_named

MAX_BYTES = 6 * 1024 * 1024
BLOCKS = 2
FIRST_BLOCK = 100
"""A block of evaluation seeds away from those on the cards."""

CONTENT = {
    "traffic": ("car", "bus", "truck", "motorcycle", "bicycle", "person"),
    "littering": ("person", "bag", "bottle", "bin_bag"),
    "crowding": ("person",),
}


@cache
def images_of(places):
    starts = EVALUATION_SEEDS[FIRST_BLOCK * SEEDS_PER_VIEW :: SEEDS_PER_VIEW]
    chosen = islice((start for start in starts if place_of(start) in places), BLOCKS)
    return [one for start in chosen for one in render_samples(range(start, start + SEEDS_PER_VIEW))]


def builtin(name: str) -> ModelPackage:
    return ModelRepository(BUILTIN_ROOT).find(name)


def test_these_packages_ship():
    assert set(ModelRepository(BUILTIN_ROOT).names()) == set(CONTENT)


@pytest.mark.parametrize("name", CONTENT)
def test_a_package_is_small_and_says_what_it_is(name):
    package = builtin(name)
    assert package.labels == CONTENT[name]
    assert package.manifest.tasks == (name,)
    assert (package.manifest.input.width, package.manifest.input.height) == (640, 384)
    assert package.onnx_path.stat().st_size <= MAX_BYTES
    assert package.manifest.source.command.startswith("python -m cityeye.train")


@pytest.mark.parametrize("name", CONTENT)
def test_the_card_has_the_measurements_of_the_manifest(name):
    package = builtin(name)
    card = (package.directory / "CARD.md").read_text(encoding="utf-8")
    for label in package.labels:
        assert f"| {label} | {package.manifest.measured[f'ap50_{label}']:.3f} |" in card
    for place in recipe_named(name).speciality.places:
        assert place in card


@pytest.mark.parametrize("name", CONTENT)
def test_an_int8_version_ships_beside_each_package(name):
    fp32, int8 = builtin(name), ModelRepository(BUILTIN_ROOT).find(name, "1+int8")
    assert int8.manifest.precision == "int8"
    assert int8.manifest.source.sha256 == fp32.manifest.sha256, "made from the one that ships"
    assert int8.manifest.golden == fp32.manifest.golden, "compared with what that one finds"
    assert (int8.labels, int8.manifest.thresholds) == (fp32.labels, fp32.manifest.thresholds)
    assert why_not_admitted(int8) == ""
    measured = int8.manifest.measured
    assert measured["map50"] - measured["map50_fp32"] == pytest.approx(measured["map50_change"])
    assert measured["map50_change"] > -0.01
    card = (int8.directory / "CARD.md").read_text(encoding="utf-8")
    assert f"{measured['map50_change']:+.4f} against fp32" in card
    assert f"{measured['times_fp32']:g} times as many images per second" in card


@pytest.mark.parametrize("version", ["1", "1+int8"])
@pytest.mark.parametrize("name", CONTENT)
def test_a_package_finds_what_a_new_scene_shows(name, version):
    package = ModelRepository(BUILTIN_ROOT).find(name, version)
    samples = images_of(recipe_named(name).speciality.places)
    detector = Detector(package)
    numbers = np.array(
        [package.labels.index(one) if one in package.labels else -1 for one in LABELS]
    )
    found, real = [], []
    for sample in samples:
        found += detector.detect(sample.image[None], threshold=0.0)
        class_ids = numbers[sample.class_ids]
        mine = class_ids >= 0
        real.append(GroundTruth.of(sample.boxes[mine], class_ids[mine], sample.ignore[mine]))
    results = evaluate(found, real, len(package.labels))
    # Two blocks are a small sample; the cards have the AP of thirty.
    kept = package.manifest.measured["map50"]
    assert mean_average_precision(results) > 0.75 * kept


def test_a_batch_gives_what_single_images_give():
    detector = Detector(builtin("traffic"))
    samples = images_of(recipe_named("traffic").speciality.places)
    images = np.stack([one.image for one in samples[:4]])
    together = detector.run(images)
    alone = np.concatenate([detector.run(one[None]) for one in images])
    np.testing.assert_allclose(together[..., 4], alone[..., 4], atol=1e-3)


def test_an_empty_grey_image_shows_nothing():
    grey = np.full((1, 384, 640, 3), 114, np.uint8)
    for name in CONTENT:
        assert len(Detector(builtin(name)).detect(grey)[0]) == 0


@pytest.mark.parametrize("name", CONTENT)
def test_the_weights_have_the_licence_of_the_program(name):
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    package = builtin(name)
    card = (package.directory / "CARD.md").read_text(encoding="utf-8")
    assert package.manifest.licence == project["license"] == "Apache-2.0"
    assert f"Licence of the weights: {project['license']};" in card
    assert "Apache License" in (root / project["license-files"][0]).read_text(encoding="utf-8")
