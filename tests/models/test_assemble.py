"""The command that makes a package by hand."""

from __future__ import annotations

import onnx
import pytest

from models.assemble import main
from models.detector import Detector
from models.repository import ModelRepository
from tests.models.tiny import LABELS, Patches, random_pictures, yolox_network


@pytest.fixture
def exported(tmp_path):
    path = tmp_path / "network.onnx"
    onnx.save_model(yolox_network(Patches(8, 9, 0.008, 0.3), 3), str(path))
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    return path


def command(exported, *more):
    return [
        *("--onnx", str(exported), "--head", "yolox", "--size", "96x64"),
        *("--labels", str(exported.with_name("labels.txt")), "--name", "street"),
        *("--version", "1", "--out", str(exported.parent / "packages"), *more),
    ]


def test_a_written_package_can_be_found_and_run(exported, capsys):
    arguments = command(exported, "--keep", "bus,person", "--tasks", "traffic,crowding")
    assert main(arguments) == 0
    assert "street/1 written to" in capsys.readouterr().out
    package = ModelRepository(exported.parent / "packages").find("street")
    assert package.labels == ("bus", "person")
    assert package.manifest.tasks == ("traffic", "crowding")
    found = Detector(package).detect(random_pictures(2), threshold=0.1)
    assert {int(one) for each in found for one in each.class_ids} == {0, 1}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--keep", "lorry"], "has no class lorry"),
        (["--size", "64x64"], "it takes 96x64 pictures"),
        (["--head", "detr"], "has no output boxes"),
        (["--onnx", "absent.onnx"], "absent.onnx"),
        (["--name", "Not A Name"], "name"),
    ],
)
def test_a_mistake_is_one_message_and_a_failing_status(exported, capsys, more, says):
    assert main(command(exported, *more)) == 1
    assert says in capsys.readouterr().err
