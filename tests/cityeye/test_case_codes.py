"""Case codes: from a table of the city to every event of a kind that has one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cityeye.config import ConfigurationError, load_config
from cityeye.plan import city_plan
from pipelines.evidence import EvidenceRecorder
from tests.pipelines.delivery.outboxes import MODEL, RULE, Edge, camera, life

SHIPPED = Path(__file__).parents[2] / "examples" / "case-codes.yaml"

CITY = """
cameras:
  - id: gate
    source: rtsp://10.0.0.5/live
    tasks:
      crowding: {model: crowding, rules: {crowding.density: {}}}
      traffic: {model: traffic, rules: {traffic.congestion: {}}}
"""
INLINE = """
case_codes:
  version: list 7
  codes:
    crowding.density: {code: "06-17", zh: 人群, en: Crowd}
"""


@pytest.fixture
def load(tmp_path, packages):
    def load_text(text: str):
        file = tmp_path / "city.yaml"
        file.write_text(
            f"{CITY}{text}\nhub: {{}}\nmodels: {{path: {packages}}}\n", encoding="utf-8"
        )
        return load_config(file, {})

    return load_text


def test_a_code_goes_from_the_table_into_every_event_of_its_kind(load, tmp_path):
    table = city_plan(load(INLINE), None).delivery.cases
    edge = Edge(tmp_path)
    edge.recorder = EvidenceRecorder(edge.outbox, edge.spool, "Neustadt", cases=table)
    edge.publish(*life("i-1"), value=None)
    edge.recorder.recover({"gate"})
    with edge.outbox.file.transaction() as db:
        bodies = [json.loads(body)["data"] for (body,) in db.execute("SELECT body FROM event")]
    said = {"code": "06-17", "table": "list 7", "zh": "人群", "en": "Crowd"}
    assert [body["case"] for body in bodies] == [said] * 3
    edge.close()


def test_a_kind_without_a_code_has_none_in_its_events(tmp_path, load):
    table = city_plan(load(INLINE.replace("crowding.density", "crowding.other")), None)
    edge = Edge(tmp_path)
    edge.recorder = EvidenceRecorder(edge.outbox, edge.spool, "N", cases=table.delivery.cases)
    edge.recorder.publish(life()[0], camera(), MODEL, RULE, None)
    assert edge.outbox.open_incidents()[0].data.case is None
    edge.close()


def test_check_names_kinds_in_use_that_a_given_table_has_no_code_for(load):
    (warning,) = load(INLINE).warnings
    assert "no code for traffic.congestion" in str(warning)
    assert "crowding.density" not in str(warning)
    assert load("").warnings == ()


def test_the_shipped_table_can_be_named_and_says_that_it_is_an_example(load):
    config = load(f"case_codes: {SHIPPED}")
    assert config.warnings == ()
    assert config.settings.case_codes.version.startswith("example")
    assert "AN EXAMPLE" in SHIPPED.read_text("utf-8")


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("case_codes: nowhere.yaml", "case_codes: the table cannot be used: .*cannot be read"),
        ("case_codes: {version: a, codes: {}}", "case_codes.codes"),
        ("case_codes: {codes: {a.b: {code: x}}}", "case_codes.version"),
        ('case_codes: {version: a, codes: {a.b: {code: "x y"}}}', "case_codes.codes.a.b.code"),
        ("case_codes: {version: a, codes: {Jam: {code: x}}}", "case_codes.codes"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(load, table, why):
    with pytest.raises(ConfigurationError, match=why):
        load(table)
