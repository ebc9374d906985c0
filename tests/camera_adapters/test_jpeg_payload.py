"""JPEG over RTP: what is taken apart as RFC 2435 says decodes to the same image."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.jpeg_payload import JpegAssembler
from camera_adapters.rtp import CodedImage, RtpReceiver

WIDTH, HEIGHT = 64, 48
PART_BYTES = 60


@pytest.fixture(scope="module")
def image():
    ramp = np.linspace(0, 255, WIDTH * HEIGHT * 3, dtype=np.uint8)
    return cv2.GaussianBlur(ramp.reshape(HEIGHT, WIDTH, 3), (9, 9), 4)


def segments(file: bytes) -> dict[int, list[bytes]]:
    """The segments of a JPEG file by marker; the scan's data under 0."""
    found: dict[int, list[bytes]] = {}
    at = 2
    while True:
        marker, length = file[at + 1], struct.unpack(">H", file[at + 2 : at + 4])[0]
        found.setdefault(marker, []).append(file[at + 4 : at + 2 + length])
        at += 2 + length
        if marker == 0xDA:
            found[0] = [file[at:-2]]
            return found


def packets(file: bytes, *, q: int, kind: int, tables: bytes = b"", interval: int = 0):
    scan = segments(file)[0][0]
    at, sequence = 0, 0
    while at < len(scan):
        part = scan[at : at + PART_BYTES]
        head = bytes([0]) + at.to_bytes(3, "big") + bytes([kind, q, WIDTH // 8, HEIGHT // 8])
        if interval:
            head += struct.pack(">HH", interval, 0xFFFF)
        if at == 0 and q >= 128:
            head += struct.pack(">BBH", 0, 0, len(tables)) + tables
        last = at + PART_BYTES >= len(scan)
        header = struct.pack(">BBHII", 0x80, 26 | (0x80 if last else 0), sequence, 0, 1)
        yield bytearray(header + head + part)
        at, sequence = at + PART_BYTES, sequence + 1


def receive(parts) -> list[CodedImage]:
    receiver = RtpReceiver(26, JpegAssembler())
    for one in parts:
        receiver.push(one, 0, len(one))
    return list(receiver.ready)


def encoded(image, quality: int, *, sampling: int, interval: int = 0) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    options += [cv2.IMWRITE_JPEG_RST_INTERVAL, interval]
    good, file = cv2.imencode(".jpg", image, options)
    assert good
    return file.tobytes()


def same(image: CodedImage, file: bytes) -> bool:
    ours = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR)
    theirs = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
    return ours is not None and theirs is not None and np.array_equal(ours, theirs)


@pytest.mark.parametrize("quality", [10, 50, 75, 99])
@pytest.mark.parametrize(("kind", "sampling"), [(0, 0x211111), (1, 0x221111)])
def test_standard_tables(image, quality, kind, sampling):
    file = encoded(image, quality, sampling=sampling)
    (found,) = receive(packets(file, q=quality, kind=kind))
    assert same(found, file)
    assert (found.key, found.damaged) == (True, False)


def test_tables_of_its_own_and_restart_markers(image):
    file = encoded(image, 80, sampling=0x221111, interval=2)
    tables = b"".join(one[1:] for one in segments(file)[0xDB])
    (found,) = receive(packets(file, q=255, kind=65, tables=tables, interval=2))
    assert same(found, file)


def test_a_missing_part_is_damage(image):
    file = encoded(image, 95, sampling=0x221111)
    parts = list(packets(file, q=95, kind=1))
    assert len(parts) >= 3
    del parts[1]
    (found,) = receive(parts)
    assert found.damaged


def test_a_quality_or_size_that_does_not_exist_makes_no_image(image):
    file = encoded(image, 50, sampling=0x221111)
    for q, kind in ((0, 1), (110, 1), (50, 5), (200, 1)):
        assert receive(packets(file, q=q, kind=kind)) == []


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_nothing_that_comes_raises(payloads):
    receive(
        bytearray(struct.pack(">BBHII", 0x80, 26 | 0x80, number, number, 1) + payload)
        for number, payload in enumerate(payloads)
    )
