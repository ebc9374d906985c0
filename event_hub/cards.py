"""The page's HTML, from data to markup. Every piece of data passes through `_text` or `_url`.

Nothing here changes with the clock alone, so an unchanged incident gives the same markup and is not
sent again; the browser counts durations and writes times in its own zone (`assets/console.js`).
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import quote

from event_hub import words
from event_hub.answers import CameraStatus
from event_hub.board import Board, IncidentView
from event_hub.camera_status import SILENT
from pipelines.event import CameraData
from pipelines.event_evidence import KeyframeData
from pipelines.event_incident import CaseData, PeakData, SubjectData

BOXES_MAX = 40
CAMERAS_SHOWN = 60
VALUES_SHOWN = 2
GRAVE = ("high", "critical")
BEST_FIRST = ("peak", "opening", "closing")
LABEL_FRACTION = 1 / 42
"""Height of a box's label by the width of the image."""


def counts(board: Board) -> str:
    """The numbers at the top."""
    high = sum(board.open_by_severity.get(name, 0) for name in GRAVE)
    cameras = f"{board.watching}/{len(board.cameras)}"
    blind = "" if board.cameras and board.watching == len(board.cameras) else "cy-warn"
    tiles = (
        ("open now", str(board.open), "cy-live" if board.open else ""),
        ("high or critical", str(high), "cy-high" if high else ""),
        ("ended in 24 h", str(board.ended), ""),
        ("cameras watching", cameras, blind),
    )
    return "".join(
        f'<div class="cy-tile {css}"><span class="cy-number">{_text(number)}</span> '
        f'<span class="cy-label">{_text(label)}</span></div>'
        for label, number, css in tiles
    )


def notice(board: Board) -> str:
    """A warning when the city is not being watched; empty when it is."""
    if not board.cameras:
        more = "Until one does, nobody is watching: no incident here means nothing."
        return _notice("No camera has reported yet.", more)
    if all(camera.state == SILENT for camera in board.cameras):
        more = "Nobody is watching, or the cameras' side is cut off from this hub."
        return _notice("Nothing is heard from any camera.", more)
    if not board.watching:
        return _notice("No camera is online.", "The city is not being watched right now.")
    return ""


def _notice(headline: str, more: str) -> str:
    return f'<p class="cy-notice" role="alert"><strong>{_text(headline)}</strong> {_text(more)}</p>'


def empty(board: Board) -> str:
    """What stands where no incident is open: quiet and blind are different."""
    if board.open:
        return ""
    total, watching = len(board.cameras), board.watching
    if not watching:
        line, css = "No incident known, and no camera is watching.", "cy-blind"
    else:
        verb = "is" if total == 1 else "are"
        line = f"No incident. {watching} of {words.count(total, 'camera')} {verb} watching."
        css = "" if watching == total else "cy-blind"
    return f'<p class="cy-empty {css}">{_text(line)}</p>'


def overflow(board: Board) -> str:
    """That there are more open incidents than the page shows."""
    shown = sum(view.is_open for view in board.incidents)
    if board.open <= shown:
        return ""
    return f'<p class="cy-more">The newest {shown} of {board.open} open incidents are shown.</p>'


def last_event(board: Board) -> str:
    """When the hub heard something the last time."""
    if board.last_received_at is None:
        return "Nothing heard yet."
    return f"Last word from the cameras: {_clock(board.last_received_at, seconds=True)}."


def incident_card(view: IncidentView, with_city: bool = False) -> str:
    """One incident: keyframe, what, where, since when; with what the viewer shows on a click."""
    incident = view.incident
    city = _city(incident.city) if with_city else ""
    severity = _text(incident.severity)
    zone = f' <span class="cy-zone">{_text(incident.zone)}</span>' if incident.zone else ""
    values = [words.measured(name, value) for name, value in incident.detail.items()]
    facts = "".join(f"<li>{_text(value)}</li>" for value in values[:VALUES_SHOWN])
    return (
        f"{_image(view)}"
        f'<div class="cy-what"><h3>{_text(words.kind(incident.kind))} '
        f'<span class="cy-severity cy-{severity}">{severity}</span></h3>'
        f'<p class="cy-where"><span class="cy-camera">{_text(_name(incident.camera))}</span>'
        f"{zone}{city}</p>"
        f'<p class="cy-when">{_when(view)}</p>'
        f'<ul class="cy-values">{facts}</ul></div>'
        f'<template data-incident="{_text(" ".join(reversed(view.key)).strip())}">'
        f"{_viewer(view, values)}</template>"
    )


def _when(view: IncidentView) -> str:
    incident = view.incident
    if view.is_open:
        since = _text(incident.opened_at.isoformat())
        return (
            f'Since {_clock(incident.opened_at)}, <span class="cy-for">for '
            f'<span data-since="{since}"></span></span>'
        )
    ended_at = incident.ended_at or incident.updated_at
    lasted = words.duration(ended_at - incident.opened_at)
    reason = words.end_reason(incident.end_reason)
    why = f' <span class="cy-reason">{_text(reason)}</span>' if reason else ""
    return f"Ended {_clock(ended_at)}, lasted {_text(lasted)}{why}"


def _clock(moment: datetime, seconds: bool = False) -> str:
    style = "seconds" if seconds else "minutes"
    iso = moment.isoformat()
    return f'<time datetime="{_text(iso)}" data-clock="{style}">{_text(iso)}</time>'


def _image(view: IncidentView) -> str:
    keyframes = sorted(view.incident.keyframes, key=lambda one: BEST_FIRST.index(one.role))
    stored = [one for one in keyframes if one.state == "stored"]
    if not stored:
        text = "Picture is on its way" if keyframes else "No picture"
        return f'<button class="cy-image cy-none" data-view><span>{text}</span></button>'
    title = _text(f"{words.kind(view.incident.kind)}: open the picture")
    return (
        f'<button class="cy-image" data-view aria-label="{title}">'
        f'<img src="{_url(view, stored[0])}" alt="" loading="lazy" decoding="async">'
        "<span>Picture not available</span></button>"
    )


def _viewer(view: IncidentView, values: Sequence[str]) -> str:
    incident = view.incident
    model, rule = incident.model, incident.rule
    places = (_name(incident.camera), incident.zone, words.city(incident.city))
    rows = [
        ("Where", ", ".join(filter(None, places))),
        ("Measured", ", ".join(values)),
        ("At its height", _at_peak(incident.peak)),
        ("Found by", f"model {model.name} {model.version}, rule {rule.name} {rule.version}"),
        ("City case", _case(incident.case)),
        ("Incident", incident.incident_id),
        ("Held", "as evidence" if incident.held_since else ""),
    ]
    facts = "".join(f"<dt>{name}</dt><dd>{_text(text)}</dd>" for name, text in rows if text)
    stored = [keyframe for keyframe in incident.keyframes if keyframe.state == "stored"]
    images_html = "".join(_figure(view, keyframe) for keyframe in stored)
    history = quote(incident.incident_id, safe="") + _in_city(incident.city)
    return (
        f"<header><h2>{_text(words.kind(incident.kind))}</h2>"
        f'<p class="cy-when">{_when(view)}</p></header>{images_html}<dl>{facts}</dl>'
        f'<a href="/api/incidents/{_text(history)}" target="_blank" rel="noopener">'
        "History (JSON)</a>"
    )


def _case(case: CaseData | None) -> str:
    """Code, titles and table; empty where the city has no code."""
    if case is None:
        return ""
    return " ".join(filter(None, (case.code, case.zh, case.en, f"({case.table})")))


def _at_peak(peak: PeakData | None) -> str:
    """The figures of the peak; empty where there is none."""
    figures = peak.detail.items() if peak else ()
    return ", ".join(words.measured(name, value) for name, value in figures)


def _figure(view: IncidentView, keyframe: KeyframeData) -> str:
    named = view.keyframes.get(keyframe.key)
    subjects = named.subjects[:BOXES_MAX] if named else ()
    width, height = max(1, keyframe.width), max(1, keyframe.height)
    boxes = "".join(_box(subject, width, height) for subject in subjects)
    return (
        f'<figure style="--ratio:{width / height:.4f}"><div class="cy-frame">'
        f'<img src="{_url(view, keyframe)}" alt="{_text(words.moment(keyframe.role))}">'
        f"<span>Picture not available</span>"
        f'<svg viewBox="0 0 {width} {height}" aria-hidden="true">{boxes}</svg></div>'
        f"<figcaption>{_text(words.moment(keyframe.role))}</figcaption></figure>"
    )


def _box(subject: SubjectData, width: int, height: int) -> str:
    x1, x2 = (min(1.0, max(0.0, edge)) * width for edge in subject.box[0::2])
    y1, y2 = (min(1.0, max(0.0, edge)) * height for edge in subject.box[1::2])
    if x2 <= x1 or y2 <= y1:
        return ""
    size = width * LABEL_FRACTION
    above = y1 - size * 0.3 if y1 > size * 1.3 else y2 + size
    return (
        f'<rect x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}"/>'
        f'<text x="{x1:.1f}" y="{above:.1f}" font-size="{size:.1f}">{_text(subject.label)} '
        f"{subject.score:.0%}</text>"
    )


def camera_rows(cameras: Iterable[CameraStatus], with_city: bool = False) -> str:
    """The cameras: those that do not watch first."""
    ordered = sorted(cameras, key=lambda one: (one.state == "online", one.city, _name(one.camera)))
    rows = "".join(_camera_row(camera, with_city) for camera in ordered[:CAMERAS_SHOWN])
    hidden = len(ordered) - CAMERAS_SHOWN
    more = f'<p class="cy-more">and {words.count(hidden, "more camera")}</p>' if hidden > 0 else ""
    return f"<ul>{rows}</ul>{more}"


def _camera_row(status: CameraStatus, with_city: bool) -> str:
    state = _text(status.state)
    city = _city(status.city) if with_city else ""
    why = ""
    if status.state != "online":
        reason = f"{_text(status.reason)}, " if status.reason else ""
        why = f'<span class="cy-why">{reason}since {_clock(status.since)}</span>'
    return (
        f'<li class="cy-{state}"><i></i><span class="cy-camera">{_text(_name(status.camera))}'
        f'{city}</span><span class="cy-state">{_text(words.camera_state(status.state))}</span>'
        f"{why}</li>"
    )


def _name(camera: CameraData) -> str:
    return camera.name or camera.id


def _text(data: str) -> str:
    return html.escape(data, quote=True)


def _city(city: str) -> str:
    return f' <span class="cy-city">{_text(words.city(city))}</span>' if city else ""


def _in_city(city: str) -> str:
    return f"?city={quote(city, safe='')}" if city else ""


def _url(view: IncidentView, keyframe: KeyframeData) -> str:
    path = "/api/keyframes/" + quote(keyframe.key, safe="/")
    return _text(path + _in_city(view.incident.city))
