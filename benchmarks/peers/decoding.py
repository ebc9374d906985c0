"""No peer but the limit of all: reads and decodes every camera as the city does, no more.

A frame counts as a result when whoever would infer it has it. What a city could do at best, if
inference cost nothing, is what this does.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from queue import SimpleQueue

from benchmarks.frame_stamp import shown_number
from benchmarks.street_log import result_log
from benchmarks.street_spec import ContestantSpec, given_spec, wait_for_end
from camera_adapters import CameraReader, CameraSpec, Mailbox


def run(spec: ContestantSpec) -> None:
    """Decodes every camera until standard input ends."""
    arrived: SimpleQueue[int] = SimpleQueue()
    mailboxes = [Mailbox(partial(arrived.put, number)) for number in range(len(spec.cameras))]
    threading.Thread(target=_take, args=(spec, arrived, mailboxes), daemon=True).start()
    for number, url in enumerate(spec.cameras):
        camera = CameraSpec(f"camera-{number}", url, rates={"decoding": spec.fps})
        CameraReader(camera, mailboxes[number]).start()
    wait_for_end()


def _take(spec: ContestantSpec, arrived: SimpleQueue[int], mailboxes: list[Mailbox]) -> None:
    """Takes each due frame and notes which one it was."""
    log = result_log(spec.results)
    while True:
        number = arrived.get()
        frame = mailboxes[number].take()
        if frame is not None:
            log.note(number, shown_number(frame), time.monotonic())


if __name__ == "__main__":
    run(given_spec())
