"""What the hub says of a camera, from the newest event about it and the newest heartbeat.

A camera that nobody reports on is `silent`, whatever was reported last; only one that was stopped
on purpose stays `stopped`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from event_hub.answers import CameraStatus
from event_hub.heard import Heard
from event_hub.tables import from_us
from pipelines.event import CameraStateData

SILENT: Final = "silent"
STOPPED: Final = "stopped"


@dataclass(frozen=True, slots=True)
class ReportedState:
    """The newest state event of a camera.

    Attributes:
        order: Incarnation and sequence.
    """

    data: CameraStateData
    order: tuple[int, str]
    reported_at: datetime
    received_at: datetime


def camera_status(
    city: str, reported: ReportedState | None, heard: Heard | None, limit_s: float
) -> CameraStatus:
    """The status of a camera.

    Args:
        city: The city that it is in.
        reported: Its newest state event, if there was one.
        heard: Its newest heartbeat, if there was one.
        limit_s: As in `HeardCameras`.

    Raises:
        ValueError: Neither is given.
    """
    newest = _newest(city, reported, heard)
    heard_at = from_us(heard.received_us) if heard else None
    if newest.state == STOPPED or (heard and _vouches(heard, reported)):
        return newest.model_copy(update={"heard_at": heard_at})
    here = heard is not None and heard.at_s is not None
    silence = f"for more than {limit_s:g} s" if here else "since this hub started"
    last = ", ".join(filter(None, (newest.state, newest.reason)))
    update = {
        "state": SILENT,
        "previous": newest.state,
        "reason": f"nothing heard {silence}; last known: {last}",
        "view": "",
        "since": heard_at or newest.received_at,
        "heard_at": heard_at,
    }
    return newest.model_copy(update=update)


def _vouches(heard: Heard, reported: ReportedState | None) -> bool:
    """Whether somebody watches: a worker that lost the camera to another one does not."""
    return heard.lately and (reported is None or heard.incarnation >= reported.order[0])


def _newest(city: str, reported: ReportedState | None, heard: Heard | None) -> CameraStatus:
    """What was last said, by incarnation and sequence."""
    if heard is not None and (
        reported is None or (heard.incarnation, heard.sequence) >= reported.order
    ):
        return _by_heartbeat(city, heard, reported)
    if reported is None:
        raise ValueError("nothing is known of this camera")
    return CameraStatus(
        **dict(reported.data),
        city=city,
        reported_at=reported.reported_at,
        received_at=reported.received_at,
    )


def _by_heartbeat(city: str, heard: Heard, reported: ReportedState | None) -> CameraStatus:
    received_at = from_us(heard.received_us)
    status = CameraStatus(
        city=city,
        camera=heard.camera,
        state=heard.state,
        previous=reported.data.state if reported else "",
        reason=heard.reason,
        since=from_us(heard.since_us),
        reported_at=received_at,
        received_at=received_at,
    )
    if reported is None or (reported.order[0], reported.data.state) != (
        heard.incarnation,
        heard.state,
    ):
        return status
    # The event says the same and knows since when; the reason of an outage may have changed.
    data = reported.data
    event = {"previous": data.previous, "since": data.since, "view": data.view}
    times = {"reported_at": reported.reported_at, "received_at": reported.received_at}
    return status.model_copy(update=event | times)
