"""Clips of recordings and RTSP cameras: their packets are those sent, and their span is true."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import pytest

from camera_adapters.packet_ring import ClipWindow, PacketRing, Reservation
from camera_adapters.remuxing import ClipFile, remux
from simulation.rtsp_server.faults import Fault, FaultKind
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import read_number, write_clip
from tests.camera_adapters.readers import WAIT_S, camera, watching

CODECS = ["libx264", "libx265"]
KINDS = {
    "h264": (lambda unit: unit[0] & 0x1F, range(1, 6)),
    "hevc": (lambda unit: unit[0] >> 1 & 0x3F, range(32)),
}
"""How the kind of a unit is read, and the kinds that are images."""


def units(file: Path | bytes) -> list[bytes]:
    """The NAL units of an MP4 file that hold images, in its order."""
    source = io.BytesIO(file) if isinstance(file, bytes) else str(file)
    found: list[bytes] = []
    with av.open(source, "r") as container:
        stream = container.streams.video[0]
        codec = stream.codec_context.name
        for packet in container.demux(stream):
            data, at = bytes(packet), 0
            while at < len(data):
                end = at + 4 + int.from_bytes(data[at : at + 4], "big")
                found.append(data[at + 4 : end])
                at = end
    kind_of, images = KINDS[codec]
    return [unit for unit in found if kind_of(unit) in images]


def decoded(clip: ClipFile) -> tuple[list[int], float]:
    """The numbers of the images, and the length that the file states, seconds."""
    with av.open(io.BytesIO(clip.data), "r") as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (clip.width, clip.height)
        images = [read_number(one.to_ndarray(format="rgb24")) for one in container.decode(stream)]
        assert stream.time_base
        return images, float((stream.duration or 0) * stream.time_base)


def is_part_of(part: Sequence[bytes], whole: Sequence[bytes]) -> bool:
    return any(list(whole[at : at + len(part)]) == list(part) for at in range(len(whole)))


def settled(reservation: Reservation, ring: PacketRing) -> Reservation:
    deadline_s = time.monotonic() + WAIT_S
    while not reservation.is_settled:
        assert time.monotonic() < deadline_s, reservation
        ring.settle()
        time.sleep(0.01)
    return reservation


def clip_of(reservation: Reservation) -> ClipFile:
    assert reservation.cut is not None, reservation.refused
    return remux(reservation.cut)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_a_clip_of_a_recording_holds_its_packets(tmp_path, codec, suffix):
    clip = write_clip(tmp_path / f"whole.{suffix}", codec=codec, width=322, height=182)
    whole = write_clip(tmp_path / "whole.mp4", codec=codec, width=322, height=182)
    spec = replace(camera(str(clip.path)), clip=ClipWindow(before_s=60, after_s=60))
    with watching(spec) as watched:
        frames = watched.frames_to_end()
        ring = watched.reader.packets
        opened_s = frames[20].captured_mono_s
        reservation = ring.reserve(opened_s - 0.5, opened_s, opened_s + 0.5)
    made = clip_of(reservation)
    images, length_s = decoded(made)
    # Image 14 is 0.5 s before, and the key frame before that is number 12.
    assert images == list(range(12, images[-1] + 1))
    assert 25 <= images[-1] <= 27
    assert length_s == pytest.approx(made.duration_s, abs=0.01)
    assert made.duration_s == pytest.approx(len(images) / 12.5, abs=0.01)
    assert made.begins_s == pytest.approx(frames[12].captured_mono_s, abs=0.1)
    assert (made.shortened, made.damaged) == ("", 0)
    first_s = frames[0].captured_mono_s
    early = ring.reserve(first_s - 3, first_s, first_s + 1)
    ring.settle(now=True)
    assert clip_of(early).shortened == "it begins 3.0 s late: the recording begins there"
    assert is_part_of(units(made.data), units(whole.path))


def test_images_that_are_shown_in_another_order_keep_their_stamps(tmp_path):
    options = {"bf": "3", "b-adapt": "0"}
    clip = write_clip(tmp_path / "b.mp4", options=options)
    spec = replace(camera(str(clip.path)), clip=ClipWindow(before_s=60, after_s=60))
    with watching(spec) as watched:
        frames = watched.frames_to_end()
        begin_s, end_s = frames[0].captured_mono_s, frames[-1].captured_mono_s
        made = clip_of(watched.reader.packets.reserve(begin_s, begin_s, end_s))
    images, _ = decoded(made)
    assert images[:30] == list(range(30))
    assert made.duration_s == pytest.approx(len(images) / 12.5, abs=0.3)


@pytest.mark.integration
@pytest.mark.parametrize("codec", CODECS)
def test_a_clip_of_a_camera_holds_what_it_sent(tmp_path, codec):
    clip = write_clip(tmp_path / "sent.mp4", codec=codec)
    window = ClipWindow(before_s=1, after_s=1)
    with RtspServerThread([Mount("gate", clip.path)]) as server:
        spec = replace(camera(server.url("gate")), clip=window)
        with watching(spec) as watched:
            watched.wait_for_decoded(20)
            ring, now_s = watched.reader.packets, time.monotonic()
            first = ring.reserve(now_s - 0.5, now_s, now_s + 0.6)
            second = ring.reserve(now_s - 0.2, now_s, now_s + 0.6)
            both = [settled(one, ring) for one in (first, second)]
    # Two incidents at once share the packets.
    assert {id(one) for one in both[1].cut.packets} <= {id(one) for one in both[0].cut.packets}
    made = clip_of(first)
    images, length_s = decoded(made)
    assert (images[0] % clip.gop, len(images)) == (0, made.packets)
    assert all((b - a) % clip.frames == 1 for a, b in pairwise(images))
    assert length_s == pytest.approx(made.duration_s, abs=0.01)
    assert made.duration_s == pytest.approx(len(images) / 12.5, abs=0.2)
    assert made.begins_s <= now_s - 0.5
    assert not made.shortened
    sent = units(clip.path)
    assert is_part_of(units(made.data), sent * 3)


@pytest.mark.integration
def test_a_clip_ends_where_the_camera_went_away(tmp_path, tiny_clip):
    window = ClipWindow(before_s=5, after_s=2)
    with (
        RtspServerThread([Mount("gate", tiny_clip.path)]) as server,
        watching(replace(camera(server.url("gate")), clip=window)) as watched,
    ):
        watched.wait_for_decoded(14)
        ring, now_s = watched.reader.packets, time.monotonic()
        reservation = ring.reserve(now_s - 0.5, now_s, now_s + 2.0)
        server.set_fault("gate", Fault(FaultKind.KILL))
        watched.wait_until(lambda: watched.reader.counters.reconnects > 0)
        server.set_fault("gate", None)
        settled(reservation, ring)
        later = settled(ring.reserve(now_s - 3, time.monotonic(), time.monotonic()), ring)
    made = clip_of(reservation)
    assert re.search(r"ends \d\.\d s early: its stream began anew", made.shortened), made.shortened
    assert made.duration_s < 2.0
    assert decoded(made)[0]
    # What is asked for after the break is cut from what came after it.
    assert "late: its stream began anew" in clip_of(later).shortened
