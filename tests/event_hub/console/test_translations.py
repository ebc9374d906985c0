"""Both languages are complete: no text without a translation, no code without words."""

import ast
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from jinja2 import Environment
from jinja2.lexer import TOKEN_DATA
from ray.serve.schema import ApplicationStatus

import camera_adapters.main_stream
import camera_adapters.state
from camera_adapters import CameraState
from event_hub.cases.states import TRANSITIONS, FalseAlarmReason
from event_hub.console import system_words, words
from event_hub.console.camera import CameraPage
from event_hub.console.cameras import CamerasPage
from event_hub.console.catalogue import HERE, messages, read_catalogue
from event_hub.console.fill_levels import KINDS
from event_hub.console.language import languages
from event_hub.console.page import Visit
from event_hub.console.reasons import translated
from event_hub.console.words import CodeWords
from event_hub.envelope import parse_event
from event_hub.store import EventStore
from event_hub.subscriptions.wanted import FormatName
from pipelines import coverage, publication
from pipelines.access import Scope
from pipelines.event_case import CaseStates, CaseTypes
from pipelines.incident import EndReason
from pipelines.rules import RULES
from pipelines.signals.signal import ViewFault
from pipelines.signals.view_state import VIEW_REASONS
from serving.rollout.ledger import Deed
from tests.event_hub.console.measured import measured
from tests.event_hub.console.reading import PAGES, Markup, Store, shown_page
from tests.event_hub.samples import (
    camera_state,
    dump,
    heartbeat,
    in_city,
    incident,
    keyframe,
    picture,
)

ZH = languages()["zh"]
ROOT = Path(__file__).parents[3]
HELD = re.compile(r"%\((\w+)\)s|\{(\w+)\}")
WORD = re.compile(r"[A-Za-z]{2,}")
READ = ("aria-label", "title", "alt", "placeholder")
STATE_REASONS = ("CONNECTING", "ENDED", "TOO_FEW_IMAGES", "DAMAGED_IMAGES", "FROZEN_IMAGE")
REASON_NAMES = ("what", "why", "self._costly")
REASON_TAKERS = ("MainImageMissedError", "self._note")
KEYS = ("Backspace", "Delete", "Enter", "Escape", "Insert")
"""What browsers call keys."""

SAME_IN_BOTH = {"XLSX", "CSV", "GeoJSON", "CityEye", "WGS", "Esc", "km"}


def test_every_text_is_translated_and_nothing_else() -> None:
    known = {str(entry.id): str(entry.string) for entry in read_catalogue() if entry.id}
    assert messages() == known.keys()
    assert [text for text, chinese in known.items() if not chinese] == []
    assert [t for t, c in known.items() if set(HELD.findall(t)) != set(HELD.findall(c))] == []


def literal_texts(source: str) -> list[str]:
    """Words in a template that are not in `_()`: between tags, or in attributes that are read."""
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    data = "".join(
        value if kind == TOKEN_DATA else "\0" for _, kind, value in environment.lex(source)
    )
    data = re.sub(r"<code>.*?</code>", "\0", data)
    data = re.sub(r"<(svg|script)\b.*?</\1>", keep_texts, data, flags=re.DOTALL)
    attributes = [found for name in READ for found in re.findall(rf'\b{name}="([^"\0]*)', data)]
    return [
        text for text in (re.sub(r"<[^>]*>", "\0", data), *attributes) for text in words_of(text)
    ]


def keep_texts(found: re.Match[str]) -> str:
    return "\0".join(re.findall(r"<text[^>]*>([^<]*)", found[0]))


def words_of(text: str) -> list[str]:
    return [word for word in WORD.findall(text) if word not in SAME_IN_BOTH]


def test_no_template_has_a_text_of_its_own() -> None:
    templates = sorted((HERE / "templates").glob("*.html"))
    assert len(templates) > 10
    found = {path.name: literal_texts(path.read_text("utf-8")) for path in templates}
    assert {name: texts for name, texts in found.items() if texts} == {}


@pytest.mark.parametrize(
    "source",
    [
        "<p>Hello</p>",
        '<a title="Go there">{{ x }}</a>',
        "{% if x %}open{% endif %}",
        "<b>{{ _('a') }} new</b>",
    ],
)
def test_a_text_of_its_own_is_found(source: str) -> None:
    assert literal_texts(source)


def test_the_script_has_no_text_of_its_own() -> None:
    for path in (HERE / "assets").glob("*.js"):
        code = re.sub(r"^\s*//.*$|//.*$", "", path.read_text("utf-8"), flags=re.MULTILINE)
        strings = re.findall(r'"([^"\n]*)"', code)
        sentences = [one for one in strings if re.fullmatch(r"[A-Z][a-z]+( [a-z]+)*[.…]?", one)]
        assert set(sentences) <= {"Date", *KEYS}, path.name


@pytest.mark.parametrize("language", languages().values(), ids=lambda one: one.code)
def test_every_code_that_the_program_sends_has_words(language) -> None:
    kinds = set(RULES)
    measured = {name for rule in RULES.values() for name in rule.measures} | {coverage.COVERAGE}
    constants = [getattr(coverage, name) for name in dir(coverage) if name.isupper()]
    gaps = {one for one in constants if isinstance(one, str)}
    tables = {
        "kinds": (kinds, words.KINDS),
        "severities": ({"low", "medium", "high", "critical"}, words.SEVERITIES),
        "ends": ({str(one) for one in EndReason}, words.END_REASONS),
        "states": ({str(one) for one in CameraState} | {"silent", "stopped"}, words.CAMERA_STATES),
        "views": ({str(one) for one in ViewFault}, words.VIEWS),
        "measurements": (measured, words.MEASUREMENTS),
        "gaps": (gaps - {coverage.COVERAGE}, words.GAPS),
        "cases": (set(get_args(CaseStates)), words.CASE_STATES),
        "offers": (set(TRANSITIONS), words.CASE_OFFERS),
        "steps": (
            {str(one).rsplit(".", 1)[1] for one in get_args(CaseTypes)} | {"noted"},
            words.CASE_STEPS,
        ),
        "false alarms": (set(get_args(FalseAlarmReason)), words.FALSE_ALARMS),
        "model roles": (
            {"stable", "canary", "shadow", "leaving", "warm", "pinned"},
            system_words.MODEL_ROLES,
        ),
        "applications": ({one.value for one in ApplicationStatus}, system_words.APPLICATIONS),
        "deeds": (set(get_args(Deed)), system_words.DEEDS),
        "scopes": ({str(one) for one in Scope}, system_words.SCOPES),
        "formats": (set(get_args(FormatName)), system_words.FORMATS),
        "kept": ({*KINDS, "hub"}, system_words.KEPT),
        "moments": ({"opening", "peak", "closing"}, words.MOMENTS),
    }
    for name, (codes, table) in tables.items():
        assert codes <= table.keys(), name
        if language.code == "zh":
            assert all(language.text(table[code]) != table[code] for code in codes), name


def sent_details() -> set[str]:
    """Names of the numbers that rules give to incidents, as their code has them."""
    found = set()
    for rule in RULES.values():
        if rule.measures:
            continue
        path = ROOT / "pipelines" / "rules" / f"{rule.kind.split('.')[1]}.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "detail":
                found |= keys_of(node.value)
            elif isinstance(node, ast.Assign):
                target = node.targets[0]
                if isinstance(target, ast.Subscript) and ast.unparse(target.value) == "detail":
                    found |= keys_of(ast.Dict([target.slice], [target.slice]))
                elif ast.unparse(target) == "detail":
                    found |= keys_of(node.value)
    return found


def keys_of(value: ast.expr) -> set[str]:
    keys = value.keys if isinstance(value, ast.Dict) else []
    return {str(key.value) for key in keys if isinstance(key, ast.Constant)}


def test_every_number_of_an_incident_has_a_name() -> None:
    names = sent_details()
    assert {"vehicles", "queue_m", "area_m2", "persons_left"} <= names
    english, chinese = CodeWords(languages()["en"]), CodeWords(ZH)
    for name in sorted(names):
        assert WORD.search(chinese.measured(name, 2.5)[0]) is None, name
        assert english.measured(name, 2.5)[0] in words.NAMES.values(), name


def sent_reasons() -> set[str]:
    """Sentences that cameras and the hub give as a reason, with something for what differs."""
    found = {*VIEW_REASONS.values(), camera_adapters.state.silence(12.0)}
    found |= {publication.WORKER_LOST, publication.WORKER_REPLACED, publication.REMOVED}
    found |= {publication.NOT_HERE, "CityEye was stopped"}
    found |= {getattr(camera_adapters.state, name) for name in STATE_REASONS}
    checks = ast.parse((ROOT / "pipelines/place_check.py").read_text("utf-8"))
    for node in ast.walk(checks):
        if isinstance(node, ast.keyword) and node.arg == "reason":
            found.add(filled(node.value))
    tree = ast.parse((ROOT / "camera_adapters/rtsp_faults.py").read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and "reason" in ast.unparse(node.targets[0]):
            first = node.value.elts[0] if isinstance(node.value, ast.Tuple) else node.value
            found.add(filled(first))
    return {one for one in found | main_stream_reasons() if one}


def main_stream_reasons() -> set[str]:
    """Why keyframes are not of a main stream, as its code has it."""
    tree = ast.parse((ROOT / "camera_adapters/main_stream.py").read_text("utf-8"))
    said: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) or (
            isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in REASON_NAMES
        ):
            said += node.value.values if isinstance(node.value, ast.BoolOp) else [node.value]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in REASON_TAKERS:
            said += node.args
    sentences = {filled(one) for one in said if one is not None}
    return {one for one in sentences if " " in one} | {camera_adapters.main_stream.MORE_KEY_FRAMES}


def filled(value: ast.expr) -> str:
    if isinstance(value, ast.JoinedStr):
        parts = (one.value if isinstance(one, ast.Constant) else "X" for one in value.values)
        return "".join(str(part) for part in parts)
    return str(value.value) if isinstance(value, ast.Constant) else ""


def test_every_reason_that_the_program_gives_is_translated() -> None:
    found = sent_reasons()
    assert len(found) > 25
    untranslated = [one for one in sorted(found) if translated(ZH, one) is None]
    assert untranslated == ["the camera offers its video as X, "]


@pytest.mark.parametrize(
    ("reason", "chinese"),
    [
        ("rtsp://10.0.0.7:554/a refused the connection", "rtsp://10.0.0.7:554/a 拒绝连接"),
        ("no image for 7.5 s", "7.5 秒没有图像"),
        (
            "nothing heard for more than 12 s; last known: offline, no data for 5 s",
            "已超过 12 秒没有消息；最后已知：离线，5 秒没有数据",
        ),
        ("its worker was replaced: it grew too big", "其工作进程已被替换：it grew too big"),
        ("something, else", None),
    ],
)
def test_reasons_keep_what_differs(reason: str, chinese: str | None) -> None:
    assert translated(ZH, reason) == chinese


@pytest.mark.parametrize("page", PAGES)
def test_a_chinese_page_has_no_english_word(tmp_path: Path, page: str) -> None:
    camera = {"id": "1", "name": "北门", "place": {"lon": 103.8, "lat": 30.4}}
    shots = [keyframe("1.jpg", picture()), keyframe("2.jpg", b"2", "peak")]
    data: dict[str, Any] = {
        "camera": camera, "zone": "车道", "keyframes": shots, "detail": {"vehicles": 3.0},
        "model": {"name": "街", "version": "1"}, "rule": {"name": "堵", "version": "1"},
        "clip": {"state": "pending"},
    }  # fmt: skip
    source = {"source": "cityeye/1-新津/1"}
    events = [incident("1", **data) | source, incident("2", 2, "ended", **data) | source]
    state = camera_state("2", "degraded")
    state["data"] |= {"view": "covered", "reason": VIEW_REASONS[ViewFault.COVERED]}
    beat = heartbeat({"3": "offline"}) | {"source": "cityeye/1-新津/workers/1"}
    flow = measured("traffic.flow", camera, datetime.now(UTC), 3.0, zone="车道", city="1-新津")
    shown = Store(tmp_path).page(page, *events, flow, state, beat, language="zh")
    html = re.sub(r"<(code|time)\b.*?</\1>", "", shown.html, flags=re.DOTALL)
    assert words_of(Markup(html).words) == []


def test_the_pages_of_cameras_have_no_english_word_for_who_changes_them(tmp_path: Path) -> None:
    city = "1-新津"
    state = in_city(camera_state("1", "online"), city)
    state["data"]["camera"] = {"id": "1", "name": "北门"}
    opened = EventStore(f"sqlite:///{tmp_path}/hub.db")
    opened.add([parse_event(dump(state))])
    try:
        for page, route in (
            (CameraPage(city), {"city": city, "camera": "1"}),
            (CamerasPage(city), {}),
        ):
            visit = Visit(page.name, route, {}, ZH, Scope.ENGINEER)
            html = shown_page(opened, visit, page=page).html
            assert "cy-editor" in html or "cy-adding" in html
            html = re.sub(r"<(code|time|option)\b.*?</\1>", "", html, flags=re.DOTALL)
            assert words_of(Markup(html).words) == []
    finally:
        opened.close()
