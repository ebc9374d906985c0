"""The routes of what decisions say about models: precision, and disputed keyframes."""

from __future__ import annotations

import os
from functools import partial
from typing import IO, Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from event_hub.answers import described
from event_hub.cases.disputed import disputed_images, write_disputed
from event_hub.cases.precision import PrecisionFilter, PrecisionReport, precision_report
from event_hub.keyframes import KeyframeSource
from event_hub.store import EventStore

IMAGES_MAX: Final = 500
CHUNK_BYTES: Final = 256 * 1024


def outcome_router(store: EventStore, keyframes: KeyframeSource) -> APIRouter:
    """Both routes."""
    router = APIRouter()

    @router.get(
        "/api/precision", **described("precision", "How often what was reported was so", 422, 503)
    )
    def get_precision(wanted: Annotated[PrecisionFilter, Depends()]) -> PrecisionReport:
        """By camera, kind and model version, as people decided; duplicates do not count."""
        with store.database.read() as connection:
            return precision_report(connection, wanted)

    how = described("precision", "Keyframes of false alarms as a COCO set", 422, 503)
    how["responses"][200] = {"content": {"application/zip": {}}}

    @router.get("/api/disputed.zip", response_class=StreamingResponse, **how)
    def get_disputed(
        wanted: Annotated[PrecisionFilter, Depends()],
        limit: Annotated[int, Query(ge=1, le=IMAGES_MAX)] = 200,
    ) -> StreamingResponse:
        """For retraining: `images/` and `annotations.json`, the newest incidents first.

        `limit` is in keyframes; `info.left_out` of the annotations says what is not in the set.
        """
        with store.database.read() as connection:
            chosen = disputed_images(connection, wanted, limit)
        try:
            file = write_disputed(chosen, keyframes)
        except OSError:
            raise HTTPException(503, "the keyframe store does not answer: try again") from None
        return _Download(file)

    return router


class _Download(StreamingResponse):
    """A file that is sent in pieces and closed, also where nobody takes it to the end."""

    def __init__(self, file: IO[bytes]) -> None:
        pieces = iter(partial(file.read, CHUNK_BYTES), b"")
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        headers = {
            "Content-Disposition": 'attachment; filename="disputed.zip"',
            "Content-Length": str(length),
        }
        super().__init__(pieces, media_type="application/zip", headers=headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI 3."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()
