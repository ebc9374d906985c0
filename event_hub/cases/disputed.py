"""The keyframes of false alarms as a COCO set, so that a model can be trained on its mistakes.

Images are those that everybody may see who may see incidents: masked where they are stored so.
Their annotations are what the model found, and what people did not agree with. What is left out is
in the set too, with the reason.

The format: https://cocodataset.org/#format-data, object detection.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, Final

from sqlalchemy import Connection, Select, func, select

from event_hub.case_tables import CASE_INCIDENTS, CASES, OF_INCIDENT
from event_hub.cases.precision import DUPLICATE, PrecisionFilter, conditions
from event_hub.keyframes import KeyframeSource
from event_hub.tables import INCIDENTS
from pipelines.event import IncidentData
from pipelines.event_evidence import KeyframeData

SPOOLED_BYTES: Final = 8_000_000
SHOWN: Final = frozenset({"opening", "peak"})
"""When it ended there may be nothing left to see."""

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class DisputedImage:
    """A keyframe of a false alarm, and why it was one."""

    city: str
    reason: str
    incident: IncidentData
    keyframe: KeyframeData


@dataclass(frozen=True, slots=True)
class DisputedSet:
    """The keyframes of the newest false alarms, and what a set of them leaves out.

    Attributes:
        without_keyframe: Ids of incidents without an opening or peak keyframe.
        duplicates: False alarms that were another incident once more; nothing was wrong in them.
        older: False alarms that opened before these, for which the set had no room.
        oldest: When the oldest incident of the set opened; None where it is empty.
    """

    images: list[DisputedImage]
    without_keyframe: list[str]
    duplicates: int
    older: int
    oldest: datetime | None


@dataclass(slots=True)
class CocoSet:
    """What the annotation file holds; ids count from 1, boxes are x, y, width, height in pixels."""

    chosen: DisputedSet
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    absent: list[dict[str, str]] = field(default_factory=list)

    def leave_out(self, disputed: DisputedImage, why: str) -> None:
        """Notes a keyframe that is not in the set."""
        incident = disputed.incident.incident_id
        self.absent.append({"key": disputed.keyframe.key, "incident_id": incident, "why": why})

    def add(self, name: str, disputed: DisputedImage) -> None:
        """Adds an image with what was found in it."""
        incident, image = disputed.incident, disputed.keyframe
        number = len(self.images) + 1
        described = {
            "kind": incident.kind,
            "camera": incident.camera.id,
            "city": disputed.city,
            "incident_id": incident.incident_id,
            "role": image.role,
            "masked": image.masked,
            "model": incident.model.model_dump(),
            "reason": disputed.reason,
        }
        size = {"width": image.width, "height": image.height}
        self.images.append({"id": number, "file_name": name, **size, "attributes": described})
        for label, box, is_subject in _objects(image, incident):
            self._annotate(number, image, label, box, is_subject)

    def _annotate(
        self, number: int, image: KeyframeData, label: str, box: Corners, is_subject: bool
    ) -> None:
        left, top, right, bottom = box
        width, height = (right - left) * image.width, (bottom - top) * image.height
        self.annotations.append(
            {
                "id": len(self.annotations) + 1,
                "image_id": number,
                "category_id": self.labels.setdefault(label, len(self.labels) + 1),
                "bbox": [left * image.width, top * image.height, width, height],
                "area": width * height,
                "iscrowd": 0,
                # People said that what these add up to was not so.
                "attributes": {"disputed": is_subject},
            }
        )

    def as_json(self) -> bytes:
        """The annotation file."""
        categories = [{"id": one, "name": name} for name, one in self.labels.items()]
        info = {"description": "Keyframes of false alarms", "left_out": self._left_out()}
        whole = {"info": info, "images": self.images, "annotations": self.annotations}
        return json.dumps(whole | {"categories": categories}, indent=1).encode()

    def _left_out(self) -> dict[str, Any]:
        chosen = self.chosen
        return {
            "keyframes": self.absent,
            "without_keyframe": chosen.without_keyframe,
            "duplicates": chosen.duplicates,
            "older": chosen.older,
            "oldest_in_set": chosen.oldest.isoformat() if chosen.oldest else None,
        }


def disputed_images(connection: Connection, wanted: PrecisionFilter, most: int) -> DisputedSet:
    """The keyframes of false alarms, those of the newest incidents first.

    All keyframes of an incident are in the set, or none. There are `most` at most, or those of the
    newest incident where it alone has more.
    """
    false_alarm = [CASES.c.state == "false_alarm", *conditions(wanted)]
    was_so = CASES.c.reason == DUPLICATE
    query = (
        _with_cases(INCIDENTS.c.data, INCIDENTS.c.city, CASES.c.reason)
        .where(~was_so, *false_alarm)
        .order_by(INCIDENTS.c.opened_us.desc(), INCIDENTS.c.incident_id)
    )
    total, duplicates = (
        connection.execute(_with_cases(func.count()).where(one, *false_alarm)).scalar_one()
        for one in (~was_so, was_so)
    )
    images: list[DisputedImage] = []
    without: list[str] = []
    seen, oldest = 0, None
    for data, city, reason in connection.execute(query.limit(most)):
        incident = IncidentData.model_validate_json(data)
        shown = [one for one in incident.keyframes if one.role in SHOWN]
        if images and len(images) + len(shown) > most:
            break
        images += [DisputedImage(city, reason, incident, one) for one in shown]
        without += [] if shown else [incident.incident_id]
        seen, oldest = seen + 1, incident.opened_at
    return DisputedSet(images, without, duplicates, total - seen, oldest)


def _with_cases(*columns: Any) -> Select[Any]:
    """Incidents with what people made of them."""
    return (
        select(*columns)
        .select_from(INCIDENTS)
        .join(CASE_INCIDENTS, OF_INCIDENT)
        .join(CASES, CASES.c.case_id == CASE_INCIDENTS.c.case_id)
    )


def write_disputed(chosen: DisputedSet, source: KeyframeSource) -> IO[bytes]:
    """A ZIP file with `images/` and `annotations.json`, read from its beginning.

    What is left out is listed under `info.left_out`.

    Raises:
        OSError: The source cannot be reached.
    """
    file = tempfile.SpooledTemporaryFile(SPOOLED_BYTES)  # noqa: SIM115 - who sends it closes it
    try:
        _write(file, chosen, source)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _write(file: IO[bytes], chosen: DisputedSet, source: KeyframeSource) -> None:
    found = CocoSet(chosen)
    with zipfile.ZipFile(file, "w") as archive:
        for image in chosen.images:
            keyframe = image.keyframe
            try:
                data = source.fetch(keyframe.key)
            except LookupError:
                found.leave_out(image, "it is not in the store any more")
                continue
            if hashlib.sha256(data).hexdigest() != keyframe.sha256:
                found.leave_out(image, "its bytes are not those that the event names")
                continue
            name = f"images/{keyframe.sha256}.{keyframe.media_type.rpartition('/')[2]}"
            if name not in archive.namelist():
                archive.writestr(name, data)
            found.add(name, image)
        archive.writestr("annotations.json", found.as_json(), zipfile.ZIP_DEFLATED)


def _objects(image: KeyframeData, incident: IncidentData) -> Iterator[tuple[str, Corners, bool]]:
    """Label and box of what was found in an image, and whether it took part."""
    if image.overlay is not None:
        yield from ((one.label, one.box, one.subject) for one in image.overlay.tracks)
        return
    peak = incident.peak
    is_peak = peak is not None and (image.role, image.at) == ("peak", peak.at)
    subjects = peak.subjects if peak is not None and is_peak else incident.subjects
    yield from ((one.label, one.box, True) for one in subjects)
