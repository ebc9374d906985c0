"""The spool keeps what it accepted, refuses what does not fit, and tells damage from absence."""

from __future__ import annotations

import hashlib
import shutil

import pytest

from pipelines.delivery.spool import Spool, SpoolLimits
from pipelines.errors import SpoolDamaged, SpoolFull, SpoolUnavailable


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_an_image_is_still_there_after_a_restart(tmp_path):
    Spool(tmp_path / "spool").put("a.jpg", b"image")
    again = Spool(tmp_path / "spool")
    assert again.names() == {"a.jpg"}
    assert again.used_bytes == 5
    assert again.read("a.jpg", digest(b"image")) == b"image"


def test_a_file_that_never_became_whole_is_gone_after_a_restart(tmp_path):
    spool = Spool(tmp_path)
    spool.put("a.jpg", b"image")
    (tmp_path / "b.jpg.part").write_bytes(b"half a pic")
    assert Spool(tmp_path).names() == {"a.jpg"}
    assert not list(tmp_path.glob("*.part"))


def test_bytes_are_bounded_and_come_free_again(tmp_path):
    spool = Spool(tmp_path, SpoolLimits(max_bytes=10, min_free_bytes=0))
    spool.put("a.jpg", b"123456")
    with pytest.raises(SpoolFull, match="1 images, 6 bytes"):
        spool.put("b.jpg", b"123456")
    spool.remove("a.jpg")
    spool.put("b.jpg", b"123456")
    assert spool.names() == {"b.jpg"}


def test_files_are_bounded(tmp_path):
    spool = Spool(tmp_path, SpoolLimits(max_files=2, min_free_bytes=0))
    spool.put("a.jpg", b"1")
    spool.put("b.jpg", b"1")
    with pytest.raises(SpoolFull):
        spool.put("c.jpg", b"1")


def test_the_last_of_the_disk_is_left_to_others(tmp_path):
    spool = Spool(tmp_path, SpoolLimits(min_free_bytes=2**60))
    with pytest.raises(SpoolFull, match="free some"):
        spool.put("a.jpg", b"1")
    assert not list(tmp_path.glob("*.jpg*"))


def test_the_same_name_twice_is_one_image(tmp_path):
    spool = Spool(tmp_path)
    spool.put("a.jpg", b"image")
    spool.put("a.jpg", b"image")
    assert spool.used_bytes == 5
    spool.remove("a.jpg")
    spool.remove("a.jpg")
    assert spool.used_bytes == 0


@pytest.mark.parametrize("content", [b"", b"pict", b"Image"])
def test_an_altered_image_is_not_handed_out(tmp_path, content):
    spool = Spool(tmp_path)
    spool.put("a.jpg", b"image")
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(SpoolDamaged, match="sha256"):
        spool.read("a.jpg", digest(b"image"))


def test_a_missing_image_is_damage(tmp_path):
    with pytest.raises(SpoolDamaged):
        Spool(tmp_path).read("a.jpg", digest(b""))


def test_a_folder_that_cannot_be_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SpoolUnavailable, match="check the disk"):
        Spool(tmp_path / "file" / "spool")


def test_a_folder_that_vanished_is_a_clear_error(tmp_path):
    spool = Spool(tmp_path / "spool")
    shutil.rmtree(tmp_path / "spool")
    with pytest.raises(SpoolUnavailable):
        spool.put("a.jpg", b"image")
