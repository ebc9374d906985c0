"""`LiveFrames`: the newest frames of cameras for everybody who watches through the control API.

However many watch a camera, its worker is asked a few times a second at most for each way in which
they want it, and encodes each frame once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import ray
from fastapi import HTTPException
from ray.exceptions import RayError

from pipelines import LiveAnswer, LiveFrame, LiveOptions, slate
from serving.director import NAMESPACE
from serving.director_client import all_workers
from serving.worker_actors import actor_name
from serving.worker_state import WorkerState

ASK_TIMEOUT_S: Final = 3.0
FRESH_S: Final = 0.12
"""So long an answer counts as the newest: eight frames a second for each way of watching."""

POLL_S: Final = 0.1
FIRST_WAIT_S: Final = 10.0
"""How long somebody waits for the first frame of a camera that nobody has watched."""

PLACES_FOR_S: Final = 2.0
"""So long it is taken for known which worker has which camera."""

MOST_READERS: Final = 24
STREAM_S: Final = 600.0
CHECK_EVERY_S: Final = 5.0
REPEAT_S: Final = 2.0
"""How often somebody who watches is sent again why there is no frame."""

BOUNDARY: Final = "cityeye-frame"
MULTIPART: Final = f"multipart/x-mixed-replace; boundary={BOUNDARY}"


@dataclass(frozen=True, slots=True, eq=False)
class WatchedFrame:
    """A frame and the state of its camera."""

    frame: LiveFrame
    state: str
    reason: str


@dataclass(slots=True, eq=False)
class _Asked:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    answer: LiveAnswer | None = None
    at_s: float = float("-inf")


AskWorker = Callable[[str, str, LiveOptions], Awaitable[LiveAnswer | None]]
"""Asks an actor for the newest frame of a camera; None where it does not answer, or has no such."""


async def ask_worker(actor: str, camera: str, options: LiveOptions) -> LiveAnswer | None:
    """See `CameraWorker.live`."""
    try:
        worker: Any = ray.get_actor(actor, namespace=NAMESPACE)
        answer: LiveAnswer | None = await asyncio.wait_for(
            worker.live.remote(camera, options), ASK_TIMEOUT_S
        )
    except (ValueError, RayError, TimeoutError):
        return None
    return answer


class LiveFrames:
    """To be used in one event loop."""

    def __init__(
        self,
        ask: AskWorker = ask_worker,
        workers: Callable[[], Awaitable[Sequence[WorkerState]]] = all_workers,
    ) -> None:
        self._ask_worker = ask
        self._workers = workers
        self._asked: dict[tuple[str, LiveOptions], _Asked] = {}
        self._homes: dict[str, str] = {}
        self._silent: dict[str, str] = {}
        self._homes_s = float("-inf")
        self._readers = 0

    async def newest(self, camera: str, options: LiveOptions) -> WatchedFrame:
        """The newest analysed frame; waits for the first where nobody has watched lately.

        Raises:
            HTTPException: 404 for a camera that is not configured; 503 with the state and the
                reason where there is no frame of now.
        """
        deadline_s = time.monotonic() + FIRST_WAIT_S
        while True:
            answer = await self._answer(camera, options)
            if answer.frame is not None:
                return WatchedFrame(answer.frame, answer.state.value, answer.reason)
            if answer.wait_s is None:
                raise no_frame(camera, answer.state.value, answer.reason)
            if time.monotonic() > deadline_s:
                why = f"a frame is analysed every {answer.wait_s:.0f} s; ask again"
                raise no_frame(camera, answer.state.value, answer.reason or why)
            await asyncio.sleep(POLL_S)

    async def stream(
        self, camera: str, options: LiveOptions, fps: float, may_watch: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        """Parts of a multipart answer: each new frame, or why there is none, until `STREAM_S`.

        Ends at once where `may_watch` says that the caller may not any more.
        """
        self._readers += 1
        try:
            async for part in self._parts(camera, options, fps, may_watch):
                yield part
        finally:
            self._readers -= 1

    def check_room(self) -> None:
        """To be called before a stream is begun.

        Raises:
            HTTPException: 503 where enough watch already.
        """
        if self._readers >= MOST_READERS:
            raise HTTPException(
                503,
                f"{MOST_READERS} live streams are open already; close one, or ask for frame.jpg",
                headers={"Retry-After": "5"},
            )

    async def _parts(
        self, camera: str, options: LiveOptions, fps: float, may_watch: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        began_s = checked_s = time.monotonic()
        shown, sent_s = -1, float("-inf")
        while (now_s := time.monotonic()) - began_s < STREAM_S:
            if now_s - checked_s > CHECK_EVERY_S:
                checked_s = now_s
                if not may_watch():
                    return
            try:
                watched = await self.newest(camera, options)
            except HTTPException as error:
                if now_s - sent_s > REPEAT_S:
                    sent_s, shown = now_s, -1
                    grey = slate(_lines(str(error.detail)), min(options.width, 640))
                    yield _part(grey, error.headers or {})
            else:
                if watched.frame.index != shown:
                    shown, sent_s = watched.frame.index, now_s
                    yield _part(watched.frame.jpeg, frame_headers(watched))
            await asyncio.sleep(max(0.01, 1.0 / fps - (time.monotonic() - now_s)))

    async def _answer(self, camera: str, options: LiveOptions) -> LiveAnswer:
        """What the camera's worker says, asked once for all who want the same."""
        now_s = time.monotonic()
        for key in [k for k, one in self._asked.items() if now_s - one.at_s > FIRST_WAIT_S]:
            if not self._asked[key].lock.locked():
                del self._asked[key]
        asked = self._asked.setdefault((camera, options), _Asked(at_s=now_s - FRESH_S))
        async with asked.lock:
            if asked.answer is None or time.monotonic() - asked.at_s > FRESH_S:
                asked.answer = await self._ask(camera, options)
                asked.at_s = time.monotonic()
            return asked.answer

    async def _ask(self, camera: str, options: LiveOptions) -> LiveAnswer:
        await self._find_homes()
        home = self._homes.get(camera)
        if home is None:
            raise HTTPException(404, f"there is no camera {camera!r}; GET /cameras lists them")
        if camera in self._silent:
            raise no_frame(camera, "unknown", self._silent[camera])
        answer = await self._ask_worker(home, camera, options)
        if answer is None:
            self._homes_s = float("-inf")
            raise no_frame(camera, "unknown", "its worker does not answer")
        return answer

    async def _find_homes(self) -> None:
        if time.monotonic() - self._homes_s <= PLACES_FOR_S:
            return
        workers = await self._workers()
        self._homes = {
            camera: actor_name(one.name, one.incarnation, one.node)
            for one in workers
            for camera in one.camera_ids
        }
        self._silent = {camera: one.silence for one in workers for camera in one.unknown}
        self._homes_s = time.monotonic()


def no_frame(camera: str, state: str, reason: str) -> HTTPException:
    """The answer where there is no frame of now, with the camera's state."""
    why = f": {reason}" if reason else ""
    return HTTPException(
        503,
        f"camera {camera} gives no frame now; it is {state}{why}",
        headers={**state_headers(state, reason), "Retry-After": "2"},
    )


def state_headers(state: str, reason: str) -> dict[str, str]:
    """The headers that say how a camera is; a reason is made fit for a header."""
    fit = "".join(c if c.isascii() and c.isprintable() else "?" for c in reason)[:200]
    return {"CityEye-State": state, "CityEye-Reason": fit}


def frame_headers(watched: WatchedFrame) -> dict[str, str]:
    """The headers that say which frame it is, and how its camera is."""
    frame = watched.frame
    return {
        **state_headers(watched.state, watched.reason),
        "CityEye-Frame": str(frame.index),
        "CityEye-Frame-At": frame.captured_at.isoformat(timespec="milliseconds"),
        "CityEye-Frame-Age": f"{frame.age_s:.3f}",
        "CityEye-Masked": "yes" if frame.masked else "no",
    }


def _part(jpeg: bytes, headers: Mapping[str, str]) -> bytes:
    """A part of the stream; browsers show its image alone, programs read its headers too."""
    lines = {"Content-Type": "image/jpeg", "Content-Length": str(len(jpeg)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"--{BOUNDARY}\r\n{head}\r\n".encode() + jpeg + b"\r\n"


def _lines(text: str, chars: int = 48) -> list[str]:
    """A text in lines that fit on a slate."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= chars:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
