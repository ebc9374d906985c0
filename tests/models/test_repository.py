"""Finding packages: newest by version order, and an error that lists what there is."""

from __future__ import annotations

import pytest

from models.errors import PackageError, UnknownModelError
from models.package import ModelPackage
from models.repository import ModelRepository
from models.version import version_order
from tests.models.tiny import as_int8, tiny_package


def test_the_newest_version_is_found_by_number(tmp_path):
    for version in ("1", "2", "10", "9.5"):
        tiny_package(tmp_path, version=version)
    repository = ModelRepository(tmp_path)
    assert repository.names() == ("tiny",)
    assert repository.versions("tiny") == ("1", "2", "9.5", "10")
    assert repository.find("tiny").version == "10"
    assert repository.find("tiny", "2").version == "2"


def test_versions_are_ordered_part_by_part():
    shuffled = ["1.10", "1.9", "2", "1+int8", "1", "1.0"]
    ordered = ["1", "1+int8", "1.0", "1.9", "1.10", "2"]
    assert sorted(shuffled, key=version_order) == ordered


def test_another_precision_is_found_by_its_name_only(tmp_path):
    lowered = as_int8(tiny_package(tmp_path, version="2"))
    repository = ModelRepository(tmp_path)
    assert repository.versions("tiny") == ("2", "2+int8")
    assert repository.find("tiny").version == "2"
    assert repository.find("tiny", "2+int8").onnx_path == lowered.onnx_path


def test_a_version_in_another_precision_than_its_name_says_is_refused(tmp_path):
    lowered = as_int8(tiny_package(tmp_path, version="2"))
    manifest = lowered.directory / "model.yaml"
    text = manifest.read_text("utf-8").replace("precision: int8", "precision: fp32")
    manifest.write_text(text, "utf-8")
    with pytest.raises(PackageError, match=r"version 2\+int8 is in fp32: correct either"):
        ModelPackage.load(lowered.directory)


@pytest.mark.parametrize(("name", "version"), [("street", None), ("tiny", "7"), ("../tiny", None)])
def test_what_is_not_there_is_answered_with_what_is(tmp_path, name, version):
    tiny_package(tmp_path, version="3")
    with pytest.raises(UnknownModelError, match="which holds tiny/3") as caught:
        ModelRepository(tmp_path).find(name, version)
    assert caught.value.available == ("tiny/3",)


def test_an_absent_root_holds_nothing(tmp_path):
    repository = ModelRepository(tmp_path / "absent")
    assert repository.names() == ()
    with pytest.raises(UnknownModelError, match="which holds nothing"):
        repository.find("tiny")


def test_folders_that_are_no_packages_are_passed_over(tmp_path):
    tiny_package(tmp_path)
    (tmp_path / "tiny" / "2").mkdir()
    (tmp_path / "tiny" / "draft").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "README").write_text("")
    assert ModelRepository(tmp_path).names() == ("tiny",)
    assert ModelRepository(tmp_path).versions("tiny") == ("1",)
