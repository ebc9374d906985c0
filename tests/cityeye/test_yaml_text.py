"""Single values of a YAML file are changed, and every other byte stays."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cityeye.config import NotEditableError, YamlText, without_variables

CITY = """\
# The eye of a district.
city: {name: Xinjin}   # a short name
cameras:
  # At the gate.
  - id: gate   # by the road
    source: "rtsp://10.0.0.5/live"
    zones:
      # Before the lights.
      approach: [[0.2, 0.5], [0.8, 0.5], [0.9, 0.9]]   # measured in May
      exit: [[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]]
    tasks:
      traffic:
        model: traffic
        rules:
          traffic.congestion: {confirm_s: 6}

  - {id: yard, source: rtsp://10.0.0.6/live, tasks: {crowding: {model: crowding}}}
# The end.
hub: {}
"""
SQUARE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]


def changed(path, value, text=CITY) -> list[str]:
    """Lines that are new and lines that are gone."""
    edited = YamlText(text)
    edited.set(path, value)
    return difference(text, edited.text)


def removed(path, text=CITY) -> list[str]:
    edited = YamlText(text)
    edited.remove(path)
    return difference(text, edited.text)


def difference(old: str, new: str) -> list[str]:
    before, after = old.splitlines(), new.splitlines()
    gone = [f"-{line.strip()}" for line in before if line not in after]
    return gone + [f"+{line.strip()}" for line in after if line not in before]


GATE = ("cameras", 0)


def test_a_value_is_replaced_and_its_comment_stays():
    assert changed((*GATE, "zones", "approach"), SQUARE) == [
        "-approach: [[0.2, 0.5], [0.8, 0.5], [0.9, 0.9]]   # measured in May",
        "+approach: [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]   # measured in May",
    ]


def test_a_key_is_added_where_its_neighbours_are():
    assert changed((*GATE, "zones", "park bench"), SQUARE) == [
        "+park bench: [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]"
    ]
    edited = YamlText(CITY)
    edited.set((*GATE, "masks", "tree"), SQUARE)
    lines = edited.text.splitlines()
    at = lines.index("    masks:")
    assert lines[at - 1] == "          traffic.congestion: {confirm_s: 6}"
    assert lines[at + 1] == "      tree: [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]"


def test_into_a_mapping_on_one_line():
    yard = ("cameras", 1)
    assert changed((*yard, "zones", "door"), SQUARE) == [
        "-- {id: yard, source: rtsp://10.0.0.6/live, tasks: {crowding: {model: crowding}}}",
        "+- {id: yard, source: rtsp://10.0.0.6/live, tasks: {crowding: {model: crowding}}, "
        "zones: {door: [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]}}",
    ]
    assert changed(("hub", "port"), 8700) == ["-hub: {}", "+hub: {port: 8700}"]


def test_a_key_goes_with_its_line_and_an_empty_mapping_with_its_last_key():
    assert removed((*GATE, "zones", "exit")) == ["-exit: [[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]]"]
    edited = YamlText(CITY)
    edited.remove((*GATE, "zones", "exit"))
    edited.remove((*GATE, "zones", "approach"))
    assert "zones" not in edited.text
    edited.remove((*GATE, "zones", "approach"))
    yaml.safe_load(edited.text)
    assert removed(("cameras", 1, "source"))[1].startswith("+- {id: yard, tasks:")
    assert removed(("cameras", 1, "tasks"))[1] == "+- {id: yard, source: rtsp://10.0.0.6/live}"


def test_cameras_come_and_go():
    edited = YamlText(CITY)
    new = {"id": "pond", "source": "rtsp://h/", "tasks": {"crowding": {"model": "crowding"}}}
    edited.append(("cameras",), [new, {**new, "id": "lake"}])
    assert "\n  - id: pond\n    source: 'rtsp://h/'\n    tasks:\n      crowding:\n" in edited.text
    edited.remove(("cameras", 1))
    assert [one["id"] for one in yaml.safe_load(edited.text)["cameras"]] == ["gate", "pond", "lake"]
    edited.remove(GATE)
    assert "# At the gate." in edited.text, "comments stay"
    assert [one["id"] for one in yaml.safe_load(edited.text)["cameras"]] == ["pond", "lake"]


@pytest.mark.parametrize(
    "text",
    [
        "a: &x {b: 1}\nc: *x\n",
        "base: &x\n  a: {b: 1}\nc:\n  <<: *x\n",
        "a: 1\na: {b: 1}\nc: {}\n",
    ],
)
def test_what_is_shared_is_refused_or_overridden_and_never_changed_elsewhere(text):
    before = yaml.safe_load(text)
    edited = YamlText(text)
    for path in (("c", "b"), ("a", "b"), ("c", "a", "b")):
        try:
            edited.set(path, 7)
        except (NotEditableError, TypeError, KeyError):
            continue
        after = yaml.safe_load(edited.text)
        assert {k: v for k, v in after.items() if k != path[0]} == {
            k: v for k, v in before.items() if k != path[0]
        }
        before = after


def test_a_camera_that_shares_its_tasks_gets_its_own():
    text = "a: &x {b: {c: 1}}   # shared\nd: *x   # as a\ne: *x\n"
    edited = YamlText(text)
    edited.set(("d", "b", "f"), [2])
    assert edited.text == (
        "a: &x {b: {c: 1}}   # shared\nd:\n  b:\n    c: 1\n    f: [2]   # as a\ne: *x\n"
    )
    with pytest.raises(NotEditableError):
        edited.set(("a", "b", "c"), 3)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n# the end\n", "\n..."])
@pytest.mark.parametrize("value", ["|\n    text\n    more", "'quoted'", '"x: # y"', "", "[1,\n 2]"])
def test_after_any_kind_of_value(value, end):
    text = f"a:\n  b: {value}{end}"
    edited = YamlText(text)
    if value.startswith("|") and not end:
        # The text itself would be one with a line more.
        with pytest.raises(NotEditableError):
            edited.set(("a", "c"), {"d": 1})
        return
    edited.set(("a", "c"), {"d": 1})
    data = yaml.safe_load(edited.text)
    assert data["a"]["c"] == {"d": 1}
    assert (data["a"]["b"] or "") == (yaml.safe_load(text)["a"]["b"] or "")


names = st.text(min_size=1, max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@given(
    document=st.dictionaries(names, values, min_size=1, max_size=4),
    value=values,
    style=st.sampled_from([True, False, None]),
    data=st.data(),
)
def test_any_value_of_any_document(document, value, style, data):
    text = yaml.safe_dump(document, default_flow_style=style, allow_unicode=True, sort_keys=False)
    before = yaml.safe_load(text)
    name = data.draw(st.sampled_from(sorted(before)) | names)
    edited = YamlText(text)
    try:
        edited.set((name,), value)
    except NotEditableError:
        assert edited.text == text
        return
    after = yaml.safe_load(edited.text)
    others = {key: one for key, one in before.items() if key != name}
    assert {key: one for key, one in after.items() if key in others} == others
    assert len(after) == len(others) + 1
    try:
        edited.remove((name,))
    except NotEditableError:
        assert yaml.safe_load(edited.text) == after
        return
    assert (yaml.safe_load(edited.text) or {}) == others


@pytest.mark.parametrize(
    ("given_", "written"),
    [("${A}", "$${A}"), ("$${A}", "$$${A}"), ("x$y", "x$y"), ("a${", "a$${")],
)
def test_a_variable_from_outside_means_itself(given_, written, load_city):
    assert without_variables({"a": [given_]}) == {"a": [written]}
    name = without_variables(given_)
    text = f"""\
cameras:
  - id: gate
    name: {name!r}
    source: rtsp://h/
    tasks: {{traffic: {{model: traffic}}}}
hub: {{}}
"""
    assert load_city(text, {"A": "secret"}).settings.cameras[0].name == given_
