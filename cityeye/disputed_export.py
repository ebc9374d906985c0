"""The hub's set of disputed keyframes, brought into a folder or ZIP file whole, or not at all."""

from __future__ import annotations

import json
import tempfile
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cityeye.city_client import CityClient, OnTransfer
from cityeye.errors import CommandError

PATH: Final = "/api/disputed.zip"
ANNOTATIONS: Final = "annotations.json"
ARCHIVE: Final = ".zip"


@dataclass(frozen=True, slots=True)
class ExportedSet:
    """What was exported.

    Attributes:
        left_out: What is not in the set, as `info.left_out` of its annotations says it.
    """

    images: int
    annotations: int
    incidents: int
    left_out: dict[str, Any]

    def left_out_lines(self) -> list[str]:
        """A sentence for each reason for which something is not in the set."""
        left_out = self.left_out
        lines = [
            f"{one['key']} of {one['incident_id']}: {one['why']}" for one in left_out["keyframes"]
        ]
        if names := left_out["without_keyframe"]:
            lines.append(f"{len(names)} incidents without a keyframe: {', '.join(names)}")
        if count := left_out["duplicates"]:
            lines.append(f"{count} incidents called a duplicate: nothing was wrong in them")
        if count := left_out["older"]:
            until = datetime.fromisoformat(left_out["oldest_in_set"]).isoformat()
            lines.append(
                f"{count} older incidents; they come with a larger --limit or --until {until}"
            )
        return lines


def export_disputed(
    client: CityClient, out: Path, query: dict[str, str], on_bytes: OnTransfer
) -> ExportedSet:
    """Brings the set into `out`: a file where its name ends in .zip, else a folder that is made.

    Raises:
        CommandError: `out` is there already or cannot be written, or the hub does not give the set.
    """
    if out.exists():
        raise CommandError(f"{out} is there already; name another place, or remove it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as folder:
            file = Path(folder) / "set.zip"
            with file.open("wb") as stream:
                client.download(PATH, stream, on_bytes, **query)
            return _kept(file, Path(folder) / "set", out)
    except OSError as error:
        reason = f"{error.filename or out}: {error.strerror}"
        raise CommandError(f"{out} cannot be written ({reason}); name another place") from None


def _kept(file: Path, folder: Path, out: Path) -> ExportedSet:
    """Moves what was brought to its place, and says what it is."""
    try:
        with zipfile.ZipFile(file) as archive:
            found = json.loads(archive.read(ANNOTATIONS))
            if out.suffix.lower() != ARCHIVE:
                archive.extractall(folder)
    except (zipfile.BadZipFile, KeyError, ValueError):
        raise CommandError("the hub sent no set of keyframes; is it of the same version?") from None
    (file if out.suffix.lower() == ARCHIVE else folder).rename(out)
    incidents = {one["attributes"]["incident_id"] for one in found["images"]}
    return ExportedSet(
        len(found["images"]), len(found["annotations"]), len(incidents), found["info"]["left_out"]
    )
