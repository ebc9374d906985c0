"""How far imports over the API are, by an id that whoever uploads has chosen."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from fastapi import APIRouter, HTTPException, Path
from fastapi import Request as ApiRequest

from serving.api.answers import ApiAnswer

router = APIRouter(tags=["versions"])
MOST_KEPT: Final = 64
ID: Final = "^[A-Za-z0-9-]{8,64}$"

ImportState = Literal["receiving", "working", "done", "failed"]


class ProgressAnswer(ApiAnswer):
    """One import: `step` is what is being done, `detail` why it failed, `version` what it made.

    `total_bytes` is null where the caller has not said how much it sends.
    """

    model: str
    state: ImportState
    received_bytes: int
    total_bytes: int | None
    step: str
    detail: str
    version: str


@dataclass(slots=True)
class ImportProgress:
    """How far one import is."""

    model: str
    total_bytes: int | None = None
    state: ImportState = "receiving"
    received_bytes: int = 0
    step: str = "receiving the network"
    detail: str = ""
    version: str = ""

    def begin(self, step: str) -> None:
        """Takes what is being done now."""
        self.state, self.step = "working", step

    def done(self, version: str) -> None:
        """Takes which version was made."""
        self.state, self.step, self.version = "done", "", version


@dataclass(slots=True)
class KnownImports:
    """The newest imports of this process."""

    _known: OrderedDict[str, ImportProgress] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def followed(self, name: str, model: str, request: ApiRequest) -> Iterator[ImportProgress]:
        """The progress of an import, kept under a name; under none where that is empty.

        An import that raises has failed, with the text of the error.
        """
        length = request.headers.get("content-length", "")
        progress = ImportProgress(model, int(length) if length.isdecimal() else None)
        if name:
            self._keep(name, progress)
        try:
            yield progress
        except Exception as error:
            progress.state = "failed"
            progress.detail = str(getattr(error, "detail", "") or error)
            raise

    def find(self, name: str) -> ImportProgress | None:
        """The import of a name, None where there was none lately."""
        with self._lock:
            return self._known.get(name)

    def _keep(self, name: str, progress: ImportProgress) -> None:
        with self._lock:
            known = self._known.get(name)
            if known is not None and known.state in ("receiving", "working"):
                raise HTTPException(409, "an import with this `progress` is under way; use another")
            self._known.pop(name, None)
            self._known[name] = progress
            while len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)


IMPORTS: Final = KnownImports()


@router.get("/imports/{progress}", summary="How far an import is")
async def show_progress(progress: Annotated[str, Path(pattern=ID)]) -> ProgressAnswer:
    """By the `progress` that the upload was given. 404 where there was none lately."""
    found = IMPORTS.find(progress)
    if found is None:
        raise HTTPException(404, "no import of late has this id")
    return ProgressAnswer.of(found)
