"""The pages of cameras and of traffic: what they say of measurements."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from event_hub.console.chart import HOUR, HourValue, hour_chart
from event_hub.people.visible import Visible
from tests.event_hub.console.measured import measured
from tests.event_hub.console.reading import Markup, Store
from tests.event_hub.samples import START, heartbeat, incident

NORTH: dict[str, Any] = {"id": "cam-1", "name": "North Gate", "place": {}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def hours_ago(count: float) -> datetime:
    whole = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return whole - timedelta(hours=count)


def row(shown: Any, key: str) -> str:
    return " ".join(Markup(shown.content.lists["cameras"][key]).words.split())


def test_a_camera_says_what_it_does_and_how_much_it_was_able_to_see(store: Store) -> None:
    events = [
        measured("coverage", NORTH, hours_ago(1), 60.0, unit="s", city="city"),
        measured("coverage", NORTH, hours_ago(2), 30.0, unit="s", able_s=30.0, city="city"),
        measured("coverage", NORTH, hours_ago(30), 0.0, unit="s", able_s=0.0, city="city"),
    ]
    beat = heartbeat({"cam-1": "online", "cam-2": "offline"})
    beat["data"]["cameras"][0]["camera"] = NORTH
    beat["data"]["cameras"][1]["reason"] = "no data for 5 s"
    shown = store.page("cameras", beat, *events, incident("jam"))
    keys = list(shown.content.lists["cameras"])
    # Those that do not watch come first.
    assert [key.split(" ")[1] for key in keys] == ["cam-2", "cam-1"]
    assert "offline no data for 5 s no coverage known" in row(shown, keys[0])
    assert "watching able to see 75% of 24 h 1 open" in row(shown, keys[1])
    heights = re.findall(r'class="cy-(full|part|poor)"', shown.content.lists["cameras"][keys[1]])
    assert heights == ["part", "full"]


def test_cameras_are_found_and_what_nobody_sees_is_not_there(store: Store) -> None:
    store.page("cameras", heartbeat({"cam-1": "online"}))

    def found(**query: Any) -> list[str]:
        beat = heartbeat({"cam-1": "online", "cam-2": "offline"}, beat=2)
        lists = store.page("cameras", beat, **query).content.lists["cameras"]
        return [key.split(" ")[1] for key in lists]

    assert found() == ["cam-2", "cam-1"]
    assert found(text="CAM-1") == ["cam-1"]
    assert found(show="blind") == ["cam-2"]
    assert found(sees=Visible((("cam-1", "", ""),))) == ["cam-1"]
    assert "No camera fits." in store.page("cameras", text="nothing").said("camera-more")


def test_a_chart_has_the_hours_of_its_place(store: Store) -> None:
    events = [
        measured("traffic.flow", NORTH, hours_ago(3), 4.0, zone="Lane 1"),
        measured("traffic.flow", NORTH, hours_ago(2), 10.0, zone="Lane 1"),
        measured("traffic.flow", NORTH, hours_ago(2) + timedelta(minutes=1), 20.0, zone="Lane 1"),
        measured("traffic.count", NORTH, hours_ago(2), 7.0, unit="1", line="Stop line"),
        measured("traffic.count", NORTH, hours_ago(2) + timedelta(minutes=1), 5.0, unit="1",
                 line="Stop line"),
    ]  # fmt: skip
    shown = store.page("traffic", *events)
    (flow,) = shown.content.lists["charts"].values()
    said = " ".join(Markup(flow).words.split())
    # In words the latest hour and the mean by watched time, and the greatest minute.
    assert "Traffic flow, vehicles/min" in said
    assert "latest hour 15 mean 11.3 greatest 20" in said
    assert len(re.findall("<polyline", flow)) == 1
    (count,) = store.page("traffic", kind="traffic.count").content.lists["charts"].values()
    assert "vehicles/h" in Markup(count).words
    assert "latest hour 12 mean 12 greatest 12" in " ".join(Markup(count).words.split())
    nothing = store.page("traffic", kind="traffic.flow", camera="/cam-9")
    assert "Nothing was measured in this time." in nothing.said("traffic-more")
    blind = store.page("traffic", sees=Visible((("cam-9", "", ""),)))
    assert blind.content.lists["charts"] == {}
    assert "traffic.flow" not in blind.html


def test_a_gap_is_no_line_and_the_axis_is_round() -> None:
    values = [HourValue(START, 3.0, 3.0), HourValue(START + HOUR, 7.0, 9.0)]
    values += [HourValue(START + 2 * HOUR, None, 0.0), HourValue(START + 4 * HOUR, 1.0, 1.0)]
    chart = hour_chart(values, START, 8, 4)
    assert len(chart.lines) == len(chart.areas) == 2
    assert chart.lines[0].startswith("0.00,60.00 12.50,60.00 12.50,")
    assert [value for value, _ in chart.ticks] == [0.0, 2.5, 5.0, 7.5]
    assert chart.hours == ((START, 0.0), (START + 4 * HOUR, 50.0))
    assert hour_chart([], START, 24, 6).lines == ()
