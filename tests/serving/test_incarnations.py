"""Every start of a worker has a greater number than all before it, whatever happens to the file."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.incarnations import FILE, Incarnations


def test_numbers_go_on_after_a_restart(tmp_path):
    first = Incarnations(tmp_path, lambda: 100.0)
    assert [first.next() for _ in range(3)] == [100, 101, 102]
    assert Incarnations(tmp_path, lambda: 100.0).next() == 103


@settings(deadline=None)  # Each number is written to the disk.
@given(clock=st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_a_clock_that_is_set_back_never_gives_a_smaller_number(tmp_path_factory, clock):
    folder = tmp_path_factory.mktemp("state")
    numbers = [Incarnations(folder, lambda now=now: now).next() for now in clock]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("content", [None, b"", b"\x00\xff", b"twelve"])
def test_a_lost_file_is_made_good_by_the_clock(tmp_path, content):
    before = Incarnations(tmp_path, lambda: 100.0).next()
    if content is None:
        (tmp_path / FILE).unlink()
    else:
        (tmp_path / FILE).write_bytes(content)
    assert Incarnations(tmp_path, lambda: 160.0).next() > before


def test_a_folder_that_cannot_be_written_stops_no_worker(tmp_path):
    (tmp_path / "state").write_text("a file is in the way")
    numbers = Incarnations(tmp_path / "state", lambda: 100.0)
    assert [numbers.next(), numbers.next()] == [100, 101]
