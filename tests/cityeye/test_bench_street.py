"""Whom the street's benchmarks compare: peers by name, and what one of them needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.street import Street
from cityeye.commands.bench_street import contestants_of
from cityeye.errors import CommandError

STREET = Street(Path("package"), Path("clip"), 12.5)


@pytest.mark.parametrize(
    ("peers", "contestants"),
    [
        ("", ("cityeye",)),
        ("loop", ("cityeye", "loop")),
        ("serve-per-frame, loop,loop", ("cityeye", "serve-per-frame", "loop")),
    ],
)
def test_the_city_comes_first_and_nobody_twice(peers, contestants):
    assert contestants_of(peers, STREET) == contestants


def test_an_unknown_peer_is_refused_with_those_that_there_are():
    with pytest.raises(CommandError, match="no peer nobody; choose among loop"):
        contestants_of("loop,nobody", STREET)


def test_ultralytics_needs_an_interpreter_and_a_model():
    with pytest.raises(CommandError, match="--ultralytics-python"):
        contestants_of("ultralytics", replace(STREET, ultralytics_model="x.onnx"))
    ready = replace(STREET, ultralytics_model="x.onnx", ultralytics_python="python")
    assert contestants_of("ultralytics", ready) == ("cityeye", "ultralytics")
