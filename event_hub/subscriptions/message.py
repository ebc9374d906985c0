"""`RobotMessage`: an event in words for people in a group, Chinese or English, with a link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from event_hub.envelope import Received
from pipelines.event import CameraStateEvent, CaseEvent, IncidentData, IncidentEvent, OutgoingEvent
from pipelines.event_case import CaseWorkData
from pipelines.event_evidence import KeyframeData
from pipelines.event_identity import city_of
from pipelines.event_incident import LEVELS

TEST_TYPE: Final = "cityeye.hub.test"
"""Of the event that only a test sends."""

NO_CITY: Final = "-"
"""Stands in the path of an incident for a city without a name."""

TITLE_CHARS: Final = 60
HARMLESS: Final = str.maketrans("[]()<>*`#~|@\\!", "［］（）＜＞＊｀＃～｜＠＼！")  # noqa: RUF001
"""Signs of Markdown by what looks like them: not every robot knows how to escape one."""

KINDS_ZH: Final = {
    "traffic.congestion": "交通拥堵",
    "traffic.stopped_vehicle": "车辆异常停驶",
    "traffic.wrong_way": "车辆逆行",
    "traffic.carriageway_intrusion": "行人进入车行道",
    "littering.dropped_object": "抛洒遗撒",
    "littering.exposed_rubbish": "暴露垃圾",
    "littering.bin_overflow": "垃圾桶满溢",
    "crowding.density": "人群密集",
    "crowding.gathering": "人群聚集",
    "crowding.dispersal": "人群突然散开",
    "crowding.loitering": "人员徘徊",
}
SEVERITIES_ZH: Final = {"low": "低", "medium": "中", "high": "高", "critical": "紧急"}
DEEDS_ZH: Final = {
    "started": "新事件",
    "updated": "事件更新",
    "ended": "事件结束",
    "confirmed": "已确认",
    "false_alarm": "误报",
    "dispatched": "已派遣",
    "resolved": "已处置",
    "reopened": "重新打开",
    "joined": "已合并",
    "split": "已拆分",
    "escalated": "超时升级",
}
WORDS: Final = {
    "zh": {
        "camera": "摄像机", "zone": "区域", "severity": "级别", "at": "时间", "by": "操作人",
        "to": "派给", "text": "说明", "open": "查看事件", "image": "查看图片",
        "state": "状态", "test": "测试消息", "cameras": "摄像机", "together": "条消息合并",
        "queue": "查看全部事件",
    },
    "en": {
        "camera": "Camera", "zone": "Zone", "severity": "Severity", "at": "Time", "by": "By",
        "to": "To", "text": "Text", "open": "Open the incident", "image": "See the image",
        "state": "State", "test": "Test message", "cameras": "Cameras",
        "together": "messages in one", "queue": "Open all incidents",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RobotMessage:
    """What a robot says.

    Attributes:
        title: One line without Markdown.
        text: Markdown, a line for each thing.
        link: Markdown of links to the incident and its image; empty where the hub has no address.
        is_urgent: Whether it is worth a colour.
    """

    title: str
    text: str
    link: str = ""
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class MessageReader:
    """For whom a message is written.

    Attributes:
        language: `zh` or `en`.
        zone: In which times are given.
        hub: Address of the hub; empty for messages without a link.
        image: The path of an address that shows a keyframe for some time, by key and digest; None
            where messages have none.
    """

    language: str
    zone: ZoneInfo
    hub: str = ""
    image: Callable[[str, str], str] | None = None


def message_of(received: Received, reader: MessageReader) -> RobotMessage:
    """An event in words."""
    event, deed = received.event, received.type.rpartition(".")[2]
    if isinstance(event, IncidentEvent):
        return _of_incident(event.data, deed, reader, _links(event, reader))
    if isinstance(event, CaseEvent) and event.data.incidents:
        return _of_case(event.data, deed, reader, _links(event, reader))
    lines = [("state", event.data.state)] if isinstance(event, CameraStateEvent) else []
    lines += [("camera", event.partitionkey), ("at", time_words(event.time, reader))]
    title = WORDS[reader.language]["test"] if received.type == TEST_TYPE else received.type
    return RobotMessage(title, _lines(lines, reader.language))


def _of_incident(data: IncidentData, deed: str, reader: MessageReader, link: str) -> RobotMessage:
    language = reader.language
    lines = [
        ("camera", data.camera.name or data.camera.id),
        ("zone", data.zone),
        ("severity", _severity(data.severity, language)),
        ("at", time_words(data.updated_at, reader)),
    ]
    title = f"{_deed(deed, language)}: {_kind(data.kind, language)}"
    return RobotMessage(
        title[:TITLE_CHARS], _lines(lines, language), link, data.level >= LEVELS["high"]
    )


def _of_case(data: CaseWorkData, deed: str, reader: MessageReader, link: str) -> RobotMessage:
    language = reader.language
    first = data.incidents[0]
    lines = [
        ("camera", ", ".join(one.camera.name or one.camera.id for one in data.incidents)),
        ("zone", first.zone),
        ("severity", _severity(first.severity, language)),
        ("by", data.by.name),
        ("to", data.to),
        ("text", data.text),
        ("at", time_words(data.at, reader)),
    ]
    title = f"{_deed(deed, language)}: {_kind(first.kind, language)}"
    return RobotMessage(title[:TITLE_CHARS], _lines(lines, language), link, deed == "escalated")


def _lines(lines: list[tuple[str, str]], language: str) -> str:
    return "\n".join(f"{WORDS[language][name]}: {plain(text)}" for name, text in lines if text)


def plain(text: str) -> str:
    """The text so that Markdown shows it as it is, on one line: nobody's name makes a link."""
    return " ".join(text.split()).translate(HARMLESS)


def _kind(kind: str, language: str) -> str:
    words = kind.rpartition(".")[2].replace("_", " ")
    return KINDS_ZH.get(kind, words) if language == "zh" else words


def _severity(severity: str, language: str) -> str:
    return SEVERITIES_ZH.get(severity, severity) if language == "zh" else severity


def _deed(deed: str, language: str) -> str:
    return DEEDS_ZH.get(deed, deed) if language == "zh" else deed.replace("_", " ")


def time_words(moment: datetime, reader: MessageReader) -> str:
    """A time as the reader has it."""
    return f"{moment.astimezone(reader.zone):%Y-%m-%d %H:%M:%S}"


def in_words(data: IncidentData, language: str) -> str:
    """Kind and severity of an incident."""
    return f"{_kind(data.kind, language)} ({_severity(data.severity, language)})"


def link_to(event: OutgoingEvent, reader: MessageReader) -> str:
    """A link to the incident of an event; empty where the hub has no address."""
    city = quote(city_of(event.source) or NO_CITY, safe="")
    path = f"/incidents/{city}/{quote(event.incident_id or '', safe='')}"
    return _named_link("open", path, reader) if reader.hub else ""


def _links(event: OutgoingEvent, reader: MessageReader) -> str:
    links, shown = link_to(event, reader), _masked(event)
    if links and shown is not None and reader.image is not None:
        links += f" {_named_link('image', reader.image(shown.key, shown.sha256), reader)}"
    return links


def _named_link(name: str, path: str, reader: MessageReader) -> str:
    return f"[{WORDS[reader.language][name]}]({reader.hub.rstrip('/')}{path})"


def _masked(event: OutgoingEvent) -> KeyframeData | None:
    """The newest stored keyframe that everybody in the group may see."""
    keyframes = event.data.keyframes if isinstance(event, IncidentEvent) else ()
    return next((one for one in reversed(keyframes) if one.masked and one.state == "stored"), None)
