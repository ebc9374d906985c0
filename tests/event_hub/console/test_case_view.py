"""What the page says of the work on a case."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from event_hub.cases.answers import CaseDue, CaseRecord, CaseStep, Recurrence
from event_hub.console.case_view import CaseView
from event_hub.console.language import languages
from event_hub.console.markup import markup
from tests.event_hub.console.reading import Markup
from tests.event_hub.samples import incident, keyframe

NOW = datetime(2026, 11, 26, 4, tzinfo=UTC)
DATA: dict[str, Any] = incident("jam")["data"]


def view_of(*steps: CaseStep, due: CaseDue | None = None) -> CaseView:
    known = {name: DATA[name] for name in ("kind", "camera", "zone", "severity", "model", "rule")}
    record = CaseRecord.model_validate(
        {
            "case_id": "c-1", "city": "1-East", "state": "resolved", "revision": len(steps),
            "since": NOW, "reason": "", "to": "", "joined_into": None, "split_from": None,
            "incidents": [{"incident_id": "jam", **known}, {"incident_id": "other", **known}],
            "last": None, "due": due, "history": [step.model_dump() for step in steps],
        }
    )  # fmt: skip
    return CaseView(record, (), Recurrence(days=30, count=0, incidents=[]))


def step(action: str, **more: Any) -> CaseStep:
    own = {"previous": "confirmed", "state": "resolved", "reason": "", "text": "", "to": ""}
    by = {"name": "zhang", "role": "operator"}
    return CaseStep.model_validate(
        {"number": 1, "at": NOW, "action": action, "by": by, **own, **more}
    )


def test_the_closing_check_says_its_outcome_and_shows_the_place_afterwards() -> None:
    places = [
        {
            "incident_id": "jam",
            "camera": "cam-1",
            "outcome": "still_there",
            "keyframe": keyframe("kf/after.jpg", b"after"),
        },
        {"incident_id": "x", "camera": "c", "outcome": "unseen", "reason": "it is hidden now"},
    ]
    check = {"outcome": "still_there", "places": places}
    view = view_of(step("checked", check=check), step("false_alarm", reason="poor_view"))
    render = markup(languages()["zh"]).render
    values = {**DATA, "incident_id": "jam", "city": "1-East"}
    seen = Markup(render("incident_case.html", case=view, incident=values))
    for words in ("摄像机复核", "仍然存在", "zhang", "雨、强光或镜头脏污", "交通拥堵"):
        assert words in seen.words
    assert seen.values("src") == ["/api/keyframes/kf/after.jpg?city=1-East"]
    assert "/incidents/1-East/other" in seen.values("href")


def test_a_time_limit_that_has_passed_says_whom_it_went_to() -> None:
    due = CaseDue(name="resolve", due_at=NOW, is_passed=True, stage=1, escalated_to="chief")
    render = markup(languages()["en"]).render
    tools = render(
        "incident_tools.html",
        case=view_of(due=due),
        incident={**DATA, "city": "", "held_since": None},
        may_work=False,
        icon=lambda _: "",
    )
    said = " ".join(Markup(tools).words.split())
    assert "To be resolved by 2026-11-26T04:00:00+00:00 The time is over. Warned: chief" in said
