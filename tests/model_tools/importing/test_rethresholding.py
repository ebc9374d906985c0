"""The next version with other thresholds: another version of the same graph, examined and true."""

from __future__ import annotations

import shutil

import pytest

from model_tools.admission import admit
from model_tools.importing import keep_golden, with_thresholds
from model_tools.thresholds_section import with_thresholds_section
from models import CARD_FILE, GOLDEN_FILE, ModelError, ModelPackage, Thresholds
from models.admission import read_report, why_not_admitted
from models.detector import Detector
from tests.models.tiny import random_images, tiny_package

WANTED = Thresholds(default=0.3, classes={"car": 0.6})


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[ModelPackage, ModelPackage]:
    root = tmp_path_factory.mktemp("packages")
    first = keep_golden(tiny_package(root), random_images(2))
    return first, with_thresholds(first, root, WANTED, "Suggested by a test.")


def test_the_graph_is_the_same_and_the_thresholds_are_the_wanted_ones(pair):
    first, second = pair
    assert str(second) == "tiny/2"
    assert second.manifest.thresholds == WANTED
    assert second.manifest.sha256 == first.manifest.sha256
    assert second.labels == first.labels
    assert first.manifest.thresholds.classes == {}, "the version that was there has not changed"
    images = random_images(4)
    cars = Detector(first).detect(images)
    fewer = Detector(second).detect(images)
    for before, now in zip(cars, fewer, strict=True):
        assert now.class_ids.tolist() == [
            label
            for label, score in zip(before.class_ids, before.scores, strict=True)
            if label != 1 or score > 0.6
        ]


def test_it_is_admitted_with_exactly_these_thresholds(pair):
    _, second = pair
    assert why_not_admitted(second) == ""
    report = read_report(second.directory)
    assert report is not None
    assert report.findings.thresholds == WANTED
    assert (second.directory / GOLDEN_FILE).stat().st_mode & 0o777 == (
        second.directory / "model.yaml"
    ).stat().st_mode & 0o777


def test_the_card_says_so_once(pair):
    first, second = pair
    card = (second.directory / "CARD.md").read_text("utf-8")
    assert "- car: 0.6\n- every other class: 0.3\n" in card
    assert f"Suggested by a test. The graph is that of {first}." in card
    assert card.count("## Confidence thresholds") == 1


def test_a_card_that_names_other_thresholds_is_not_admitted(pair, tmp_path):
    _, second = pair
    copy = tmp_path / "tiny" / "2"
    shutil.copytree(second.directory, copy)
    card = copy / CARD_FILE
    card.write_text(card.read_text("utf-8").replace("- car: 0.6", "- car: 0.5"), "utf-8")
    report = admit(copy)
    assert "CARD.md: names other confidence thresholds than model.yaml; write `- car: 0.6`, " in (
        report.reason
    )


def test_a_section_takes_the_place_of_the_one_before():
    plain = "# street 1\n\nFinds.\n\nConfidence threshold: 0.4, unless.\n\n## Licence\n\nMIT\n"
    once = with_thresholds_section(plain, WANTED, "Measured.")
    assert "Confidence threshold: 0.4" not in once
    twice = with_thresholds_section(
        f"{once}\n## After\n\nAll.\n", Thresholds(default=0.5), "Again."
    )
    assert twice.count("## Confidence thresholds") == 1
    assert "- every class: 0.5\n\nAgain. " in twice
    assert "car" not in twice
    for kept in ("Finds.", "## Licence\n\nMIT\n", "\n\n## After\n\nAll.\n"):
        assert kept in twice


def test_a_threshold_of_a_class_that_there_is_not_leaves_nothing(tmp_path):
    package = tiny_package(tmp_path)
    wrong = Thresholds(default=0.3, classes={"tram": 0.6})
    with pytest.raises(ModelError, match="threshold of 'tram', which is no class"):
        with_thresholds(package, tmp_path, wrong, "Wrong.")
    assert [one.name for one in (tmp_path / "tiny").iterdir()] == ["1"]
