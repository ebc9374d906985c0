"""`cityeye models compare` says what people decided, or why it cannot."""

from __future__ import annotations

from pathlib import Path

from cityeye.commands.decision_report import decision_lines
from pipelines.access import TokenFile
from tests.event_hub.cases.conftest import actor
from tests.event_hub.conftest import running
from tests.event_hub.samples import incident


def test_decisions_are_counted_by_version_and_kind(tmp_path: Path) -> None:
    with running(tmp_path) as start:
        hub = start()
        act = actor(hub)
        for number in range(3):
            hub.post(incident(f"i-{number}"))
        hub.post(incident("bag", kind="littering.dropped", camera={"id": "cam-2"}))
        act("confirm", "i-0", revision=0)
        act("false-alarm", "i-1", revision=0, reason="allowed")
        act("confirm", "bag", revision=0)
        token = tmp_path / "token"
        token.write_text(TokenFile(tmp_path / "access").first())
        assert decision_lines(hub.url, "street", ["1", "2"], token) == [
            "street/1, as people decided: 2 of 3 incidents were real (67%) on 2 cameras",
            "  littering.dropped: 1 of 1 incidents were real (100%) on 1 cameras",
            "  traffic.congestion: 1 of 2 incidents were real (50%) on 1 cameras",
            "street/2, as people decided: nothing decided",
        ]
        token.write_text("cye_000000000000_x")
        (line,) = decision_lines(hub.url, "street", ["1"], token)
        assert line.startswith("no decisions of people: the event hub does not know this token")


def test_a_hub_that_is_away_is_said(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("cye_000000000000_x")
    (line,) = decision_lines("http://127.0.0.1:9", "street", ["1"], token)
    assert "no event hub answers at http://127.0.0.1:9" in line
    assert line.endswith("say where it is with --hub")
