"""`cityeye coverage`: how much of the time cameras were watched, as a person reads it."""

from __future__ import annotations

import json

import pytest

import cityeye.cli
from cityeye.city_client import CityClient
from cityeye.cli import main

ANSWER = {
    "covered": [
        {
            "camera": "gate", "task": "traffic", "begins_at": "2026-03-04T05:06:00Z",
            "ends_at": "2026-03-04T06:06:00Z", "requested_s": 3600.0, "watched_s": 3400.0,
            "able_s": 3000.0, "gaps": {"offline": 200.0, "covered": 400.0},
        },
        {
            "camera": "new", "task": "traffic", "begins_at": "2026-03-04T05:06:00Z",
            "ends_at": "2026-03-04T05:06:00Z", "requested_s": 0.0, "watched_s": 0.0, "able_s": 0.0,
            "gaps": {},
        },
    ],
    "unknown": {"yard": "worker-0 has not answered for 9 s"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What the control API is asked."""
    found: list[dict[str, str]] = []

    def get(_: CityClient, path: str, **query: str) -> object:
        assert path == "/coverage"
        found.append(query)
        return ANSWER

    monkeypatch.setattr(CityClient, "get", get)
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)
    monkeypatch.setenv("CITYEYE_TOKEN", "let-me-in")
    monkeypatch.setenv("COLUMNS", "200")
    return found


def test_shares_and_the_largest_gap_first(asked, capsys):
    assert main(["coverage", "--camera", "gate"]) == 0
    (_, gate, new, unknown) = capsys.readouterr().out.splitlines()
    said = "gate traffic 3600 s 3400 s 94.4% 3000 s 83.3% covered 400 s, offline 200 s"
    assert " ".join(gate.split()) == said
    assert new.split() == ["new", "traffic", "0", "s"]
    assert unknown == "unknown: yard: worker-0 has not answered for 9 s"
    assert asked[0]["camera"] == "gate"
    assert asked[0]["since"] < asked[0]["until"]


def test_all_cameras_as_json(asked, capsys):
    assert main(["coverage", "--json", "--hours", "24"]) == 0
    assert json.loads(capsys.readouterr().out) == ANSWER
    assert "camera" not in asked[0]
