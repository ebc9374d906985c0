"""One message about many events: a storm of incidents is more than a robot takes one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from event_hub.envelope import Received
from event_hub.subscriptions.message import (
    WORDS,
    MessageReader,
    RobotMessage,
    in_words,
    link_to,
    message_of,
    plain,
    time_words,
)
from pipelines.event import CaseEvent, IncidentEvent
from pipelines.event_incident import LEVELS

LINES_MAX: Final = 8
"""Of kinds and of cameras; how many more there are is said."""
WORST_MAX: Final = 5
"""Incidents that have a line and a link of their own."""
NAME_CHARS: Final = 40


def digest_of(received: Sequence[Received], reader: MessageReader) -> RobotMessage:
    """Some events in words: how many of each kind and camera, and the worst of the incidents.

    Every event is counted once. A single one is written as if it came alone.
    """
    if len(received) == 1:
        return message_of(received[0], reader)
    words = WORDS[reader.language]
    messages = [message_of(one, reader) for one in received]
    times = [one.event.time for one in received]
    lines = _counts(one.title for one in messages)
    lines.append(f"{words['cameras']}: {', '.join(_counts(map(_camera, received)))}")
    lines.append(
        f"{words['at']}: {time_words(min(times), reader)} – {time_words(max(times), reader)}"
    )
    lines += [_line(one, reader) for one in _worst(received)]
    queue = f"[{words['queue']}]({reader.hub.rstrip('/')}/incidents)" if reader.hub else ""
    title = f"{len(received)} {words['together']}"
    return RobotMessage(title, "\n".join(lines), queue, any(one.is_urgent for one in messages))


def _counts(names: Iterable[str]) -> list[str]:
    """Names with how often each occurs, the most frequent ones first."""
    found = Counter(names).most_common()
    lines = [f"{plain(name)[:NAME_CHARS]} ×{count}" for name, count in found[:LINES_MAX]]
    rest = found[LINES_MAX:]
    if rest:
        lines.append(f"… ×{sum(count for _, count in rest)}")
    return lines


def _camera(received: Received) -> str:
    event = received.event
    if isinstance(event, CaseEvent) and event.data.incidents:
        camera = event.data.incidents[0].camera
    elif isinstance(event, IncidentEvent):
        camera = event.data.camera
    else:
        return event.partitionkey
    return camera.name or camera.id


def _worst(received: Sequence[Received]) -> list[IncidentEvent]:
    """The gravest incidents that go on, the newest first, each once in its newest state."""
    newest = {
        (one.event.source, one.event.data.incident_id): one.event
        for one in received
        if isinstance(one.event, IncidentEvent)
    }
    grave = [
        one
        for one in newest.values()
        if one.data.phase != "ended" and one.data.level >= LEVELS["high"]
    ]
    order = sorted(grave, key=lambda one: (one.data.level, one.data.opened_at), reverse=True)
    return order[:WORST_MAX]


def _line(event: IncidentEvent, reader: MessageReader) -> str:
    data, link = event.data, link_to(event, reader)
    camera = plain(data.camera.name or data.camera.id)[:NAME_CHARS]
    said = f"{in_words(data, reader.language)} · {camera} · {time_words(data.opened_at, reader)}"
    return f"{said} {link}" if link else said
