"""Uploads a network to a running city, which imports and examines it; says how far that is."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from cityeye.city_client import CityClient, OnTransfer
from cityeye.errors import CommandError
from cityeye.model_import import with_neighbours
from model_tools.importing import ImportRequest
from models import MANIFEST_FILE, MAX_ONNX_BYTES, ONNX_FILE

POLL_S: Final = 0.5


def network_file(place: Path) -> Path:
    """The network to upload: the file itself, or that of a folder that is a package.

    Raises:
        CommandError: There is none, or one that no upload takes.
    """
    file = place / ONNX_FILE if place.is_dir() else place
    if not file.is_file():
        raise CommandError(f"there is no file {file}; name an ONNX file or the folder of a package")
    if place.is_dir() and not (place / MANIFEST_FILE).is_file():
        raise CommandError(
            f"{place} has no {MANIFEST_FILE}, so it is no package; name the ONNX file in it"
        )
    if not 0 < (size := file.stat().st_size) <= MAX_ONNX_BYTES:
        raise CommandError(
            f"{file} has {size:,} bytes; an upload has 1 to {MAX_ONNX_BYTES:,}, all weights inside"
        )
    return file


def upload_network(
    client: CityClient,
    file: Path,
    request: ImportRequest,
    on_bytes: OnTransfer,
    on_step: Callable[[str], None],
) -> dict[str, Any]:
    """Uploads a file; gives the version that the city made of it, as `VersionDetail` has it.

    Raises:
        CommandError: The file cannot be read, nobody answers, or the city refuses it.
    """
    # What refuses the caller does so here, and not while half of the file is under way.
    client.get("/repository")
    followed = uuid.uuid4().hex
    path = f"/models/{request.name}/versions?{urlencode(_query(file, request, followed))}"
    try:
        with file.open("rb") as stream, _steps(client, followed, on_step):
            answer: dict[str, Any] = client.upload(path, stream, on_bytes)
    except OSError as error:
        raise CommandError(f"{file} cannot be read ({error.strerror})") from None
    return answer


def _query(file: Path, request: ImportRequest, followed: str) -> dict[str, str]:
    """What the request says, as parameters of the route; what it leaves open is left out."""
    known = with_neighbours(file, request)
    of_class = (f"{label}={score:f}" for label, score in known.class_thresholds.items())
    width, height = known.size or ("", "")
    given = {
        "file": known.file,
        "labels": ",".join(known.labels or ()),
        "head": known.head,
        "scores": known.scores,
        "width": width,
        "height": height,
        "fit": known.fit,
        "threshold": known.threshold,
        "class_thresholds": ",".join(of_class),
        "tasks": ",".join(known.tasks),
        "licence": known.licence,
        "training_data": known.training_data,
        "precision": known.precision,
        "progress": followed,
    }
    return {name: str(value) for name, value in given.items() if value not in (None, "")}


@contextmanager
def _steps(client: CityClient, followed: str, on_step: Callable[[str], None]) -> Iterator[None]:
    """Gives each new step of an import to `on_step` while it is under way."""
    ended = threading.Event()

    def follow() -> None:
        said = ""
        while not ended.wait(POLL_S):
            try:
                found = client.get(f"/imports/{followed}")
            except CommandError:
                continue  # Not begun, or the upload itself will say that nobody answers.
            if found["state"] == "working" and found["step"] != said:
                said = found["step"]
                on_step(said)

    thread = threading.Thread(target=follow, name="import-steps", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
