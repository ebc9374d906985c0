"""The catalogue as it is shipped, and how a file is known to be the right one."""

from __future__ import annotations

import re

import pytest

from model_tools.catalogue import catalogue
from models import NAME_PATTERN, DownloadError

GIT_COMMIT = re.compile(r"/[0-9a-f]{40}/")


def test_every_entry_is_pinned_and_can_be_checked():
    assert {"deimv2-femto", "deimv2-atto", "yolox-nano", "yolox-nano-wide"} <= set(catalogue())
    for entry in catalogue().values():
        assert entry.address.startswith("https://")
        assert GIT_COMMIT.search(entry.address), entry.name
        assert entry.address.endswith(f"/{entry.file}")
        assert re.match(NAME_PATTERN, entry.name)
        assert entry.licence
        # What was tried is known in full.
        assert entry.tried == (entry.sha256 is not None) == (entry.size is not None)


def test_two_entries_never_share_a_file():
    files = [entry.file for entry in catalogue().values()]
    assert len(set(files)) == len(files)


def test_another_file_of_the_same_name_is_refused(tmp_path):
    entry = catalogue()["yolox-nano"]
    path = tmp_path / entry.file
    path.write_bytes(b"no network")
    with pytest.raises(DownloadError, match=f"should have sha256 {entry.sha256} and has"):
        entry.check(path)
    with pytest.raises(DownloadError, match="cannot be read: No such file"):
        entry.check(tmp_path / "nothing")
