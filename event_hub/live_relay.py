"""`LiveRelay`: live streams of cameras; however many watch one, the city sends it to the hub once.

A source is read in a thread of its own, from the first watcher on until the last one has gone. Each
watcher is given the newest part and never one of before, so that a slow one holds nobody up.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from fastapi import HTTPException

from event_hub.city_control import CityControl, ControlAway

READERS_MAX: Final = 100
CHECK_EVERY_S: Final = 1.0
OK: Final = 200
MULTIPART: Final = "multipart/x-mixed-replace"
LENGTH: Final = b"content-length:"
HEAD_MAX: Final = 8 * 1024
PART_MAX: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LiveWish:
    """What somebody wants to see; who wants the same shares a source.

    Attributes:
        camera: Its id.
        fps: Images per second at most.
        width: Pixels at most.
        boxes: Whether tracks are drawn in.
        places: Whether zones, lines and masks are drawn in.
    """

    camera: str
    fps: float
    width: int
    boxes: bool
    places: bool

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the control API."""
        return {"fps": str(self.fps), **drawn_query(self.width, self.boxes, self.places)}


def drawn_query(width: int, boxes: bool, places: bool) -> dict[str, str]:
    """Of these the parameters of the control API, for a single frame too; see `LiveWish`."""
    return {
        "width": str(width),
        "boxes": str(boxes).lower(),
        "places": str(places).lower(),
    }


class _Source:
    """One stream of the control API, and its newest part."""

    def __init__(self, control: CityControl, wish: LiveWish) -> None:
        self.readers = 0
        self.part, self.number = b"", 0
        self.media_type = ""
        self.fault: HTTPException | None = None
        self.changed = asyncio.Event()
        self._control, self._wish = control, wish
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Begins to read; to be called once somebody watches."""
        name = f"live-{self._wish.camera}"
        threading.Thread(target=self._read, name=name, daemon=True).start()

    def _read(self) -> None:
        try:
            while self.readers and self.fault is None:
                self._read_once()
        except ControlAway as error:
            self._tell(fault=HTTPException(503, str(error)))
        except HTTPException as error:
            self._tell(fault=error)

    def _read_once(self) -> None:
        """Reads until the control API ends the stream, or nobody watches any more."""
        steps = ("cameras", self._wish.camera, "live")
        with self._control.stream(steps, self._wish.query) as answer:
            kind = answer.headers.get("content-type", "")
            if answer.status != OK or not kind.startswith(MULTIPART):
                status = answer.status if answer.status in (404, 503) else 502
                raise HTTPException(status, "the city's control API gives no live stream")
            self._tell(media_type=kind)
            for part in _parts(answer.chunks):
                self._tell(part=part)
                if not self.readers:
                    return

    def _tell(
        self, media_type: str = "", part: bytes = b"", fault: HTTPException | None = None
    ) -> None:
        def take() -> None:
            self.media_type = media_type or self.media_type
            if part:
                self.part, self.number = part, self.number + 1
            self.fault = fault
            self.changed.set()
            self.changed = asyncio.Event()

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(take)

    async def wait(self) -> None:
        """Returns when something has changed, or after a second."""
        try:
            await asyncio.wait_for(self.changed.wait(), CHECK_EVERY_S)
        except TimeoutError:
            return


class LiveRelay:
    """The live streams of one city. To be used in one event loop."""

    def __init__(self, control: CityControl) -> None:
        """Reads nothing yet."""
        self._control = control
        self._sources: dict[LiveWish, _Source] = {}
        self._readers = 0

    async def open(
        self, wish: LiveWish, goes_on: Callable[[], Awaitable[bool]]
    ) -> tuple[str, AsyncIterator[bytes]]:
        """The media type and the parts of a stream, which ends when `goes_on` says no.

        Raises:
            HTTPException: 503 where too many watch or the city is away, 404 for a camera that it
                has not, 502 where it gives no stream.
        """
        if self._readers >= READERS_MAX:
            what = f"{READERS_MAX} live streams are open already; close one"
            raise HTTPException(503, what, headers={"Retry-After": "5"})
        source = self._sources.get(wish)
        if source is None or source.fault is not None or not source.readers:
            source = self._sources[wish] = _Source(self._control, wish)
        self._enter(source)
        try:
            while not source.media_type and source.fault is None:
                await source.wait()
            if source.fault is not None:
                raise source.fault
        except BaseException:
            self._leave(wish, source)
            raise
        return source.media_type, self._follow(wish, source, goes_on)

    async def _follow(
        self, wish: LiveWish, source: _Source, goes_on: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        shown = 0
        try:
            while source.fault is None and await goes_on():
                if source.number != shown:
                    shown = source.number
                    yield source.part
                else:
                    await source.wait()
        finally:
            self._leave(wish, source)

    def _enter(self, source: _Source) -> None:
        source.readers += 1
        self._readers += 1
        if source.readers == 1:
            source.start()

    def _leave(self, wish: LiveWish, source: _Source) -> None:
        source.readers -= 1
        self._readers -= 1
        if not source.readers and self._sources.get(wish) is source:
            del self._sources[wish]


def _parts(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Whole parts, each with its boundary and headers, of a stream that comes in pieces."""
    held = b""
    for chunk in chunks:
        held += chunk
        while (part := _whole(held)) is not None:
            held = held[len(part) :]
            yield part


def _whole(held: bytes) -> bytes | None:
    """The first part of what was read, None where more of it is to come."""
    head, end, _ = held.partition(b"\r\n\r\n")
    if not end:
        if len(held) > HEAD_MAX:
            raise HTTPException(502, "the city's control API sends no parts of a stream")
        return None
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(LENGTH)]
    length = int(lengths[0].removeprefix(LENGTH)) if lengths else PART_MAX + 1
    if length > PART_MAX:
        raise HTTPException(502, "the city's control API sends a part without a fit length")
    size = len(head) + len(end) + length + len(b"\r\n")
    return held[:size] if len(held) >= size else None
