"""The keyframes of false alarms as a COCO set, so that a model can be trained on its mistakes.

Images are those that everybody may see who may see incidents: masked where they are stored so.
Their annotations are what the model found, and what people did not agree with.

The format: https://cocodataset.org/#format-data, object detection.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Final

from sqlalchemy import Connection, select

from event_hub.case_tables import CASE_INCIDENTS, CASES, OF_INCIDENT
from event_hub.cases.precision import PrecisionFilter, conditions
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


@dataclass(slots=True)
class CocoSet:
    """What the annotation file holds; ids count from 1, boxes are x, y, width, height in pixels."""

    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

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
        info = {"description": "Keyframes of false alarms", "missing": self.missing}
        whole = {"info": info, "images": self.images, "annotations": self.annotations}
        return json.dumps(whole | {"categories": categories}, indent=1).encode()


def disputed_images(
    connection: Connection, wanted: PrecisionFilter, most: int
) -> list[DisputedImage]:
    """The keyframes of false alarms, those of the newest incidents first; `most` at most."""
    query = (
        select(INCIDENTS.c.data, INCIDENTS.c.city, CASES.c.reason)
        .join(CASE_INCIDENTS, OF_INCIDENT)
        .join(CASES, CASES.c.case_id == CASE_INCIDENTS.c.case_id)
        .where(CASES.c.state == "false_alarm", CASES.c.reason != "duplicate", *conditions(wanted))
        .order_by(INCIDENTS.c.opened_us.desc(), INCIDENTS.c.incident_id)
        .limit(most)
    )
    found = []
    for data, city, reason in connection.execute(query):
        incident = IncidentData.model_validate_json(data)
        shown = (one for one in incident.keyframes if one.role in SHOWN)
        found += [DisputedImage(city, reason, incident, one) for one in shown]
    return found[:most]


def write_disputed(images: Iterable[DisputedImage], source: KeyframeSource) -> IO[bytes]:
    """A ZIP file with `images/` and `annotations.json`.

    What the source has not is listed under `info.missing`.

    Raises:
        OSError: The source cannot be reached.
    """
    file = tempfile.SpooledTemporaryFile(SPOOLED_BYTES)  # noqa: SIM115 - who sends it closes it
    try:
        _write(file, images, source)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _write(file: IO[bytes], images: Iterable[DisputedImage], source: KeyframeSource) -> None:
    found = CocoSet()
    with zipfile.ZipFile(file, "w") as archive:
        for image in images:
            keyframe = image.keyframe
            data = _fetched(source, keyframe)
            if data is None:
                found.missing.append(keyframe.key)
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


def _fetched(source: KeyframeSource, image: KeyframeData) -> bytes | None:
    """The bytes that the event names; None where the store has none, or others."""
    try:
        data = source.fetch(image.key)
    except LookupError:
        return None
    return data if hashlib.sha256(data).hexdigest() == image.sha256 else None
