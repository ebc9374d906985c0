"""Finding packages: newest by version order, and an error that lists what there is."""

from __future__ import annotations

import pytest

from models.errors import UnknownModelError
from models.repository import ModelRepository, version_order
from tests.models.tiny import tiny_package


def test_the_newest_version_is_found_by_number(tmp_path):
    for version in ("1", "2", "10", "9.5"):
        tiny_package(tmp_path, version=version)
    repository = ModelRepository(tmp_path)
    assert repository.names() == ("tiny",)
    assert repository.versions("tiny") == ("1", "2", "9.5", "10")
    assert repository.find("tiny").version == "10"
    assert repository.find("tiny", "2").version == "2"


def test_versions_are_ordered_part_by_part():
    shuffled = ["1.10", "1.9", "2", "1", "1.0"]
    assert sorted(shuffled, key=version_order) == ["1", "1.0", "1.9", "1.10", "2"]


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
