"""From packets to coded images: formats, boundaries, gaps, and packets that make no sense."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camera_adapters.nal_units import H264Assembler, H265Assembler
from camera_adapters.rtp import MAX_IMAGE_BYTES, CodedImage, RtpReceiver
from camera_adapters.rtp_datagrams import ReorderBuffer
from simulation.rtsp_server.packetiser import Packetiser
from tests.levels import scaled

TYPE = 96
START = b"\0\0\0\1"
SPS, PPS, SEI = b"\x67sps", b"\x68pps", b"\x06sei"
IDR, SLICE, SECOND_SLICE = b"\x65\x88idr", b"\x41\x9aslice", b"\x41\x02second"
H265_IDR, H265_SLICE = b"\x26\x01\xafidr", b"\x02\x01\xd0slice"
H265_VPS = b"\x40\x01vps"


def packet(
    sequence: int, payload: bytes, ticks: int = 0, *, marker: bool = False, source: int = 7
) -> bytes:
    second = TYPE | (0x80 if marker else 0)
    return struct.pack(">BBHII", 0x80, second, sequence % 65536, ticks % 2**32, source) + payload


def receive(packets: list[bytes], receiver: RtpReceiver | None = None) -> list[CodedImage]:
    receiver = receiver or RtpReceiver(TYPE, H264Assembler())
    for one in packets:
        receiver.push(bytearray(b"????" + one + b"!!"), 4, 4 + len(one))
    images = list(receiver.ready)
    receiver.ready.clear()
    return images


def joined(*units: bytes) -> bytes:
    return b"".join(START + unit for unit in units)


def test_the_marker_ends_an_image_at_once():
    (image,) = receive([packet(1, SPS), packet(2, PPS), packet(3, IDR, marker=True)])
    assert bytes(image.data) == joined(SPS, PPS, IDR)
    assert (image.key, image.damaged, image.ticks) == (True, False, 0)


@pytest.mark.parametrize(
    ("codec", "assembler", "units"),
    [
        ("h264", H264Assembler, (SPS, PPS, IDR + bytes(range(256)) * 40)),
        ("h265", H265Assembler, (H265_VPS, H265_IDR + bytes(range(256)) * 40)),
    ],
)
def test_what_our_server_fragments_comes_out_whole(codec, assembler, units):
    packets = Packetiser(codec).packets(units, 4711)
    assert len(packets) > 5
    (image,) = receive(packets, RtpReceiver(TYPE, assembler()))
    assert bytes(image.data) == joined(*units)
    assert image.key


def test_aggregates_are_taken_apart():
    stap = b"\x78" + b"".join(struct.pack(">H", len(one)) + one for one in (SPS, PPS, IDR))
    (image,) = receive([packet(1, stap, marker=True)])
    assert bytes(image.data) == joined(SPS, PPS, IDR)
    both = b"\x60\x01" + b"".join(struct.pack(">H", len(one)) + one for one in (H265_VPS, H265_IDR))
    (image,) = receive([packet(1, both, marker=True)], RtpReceiver(TYPE, H265Assembler()))
    assert bytes(image.data) == joined(H265_VPS, H265_IDR)


def test_parameter_sets_with_a_marker_of_their_own_wait_for_their_image():
    packets = [packet(1, SPS, marker=True), packet(2, PPS, marker=True)]
    (image,) = receive([*packets, packet(3, IDR, 3000, marker=True)])
    assert bytes(image.data) == joined(SPS, PPS, IDR)


def test_without_markers_the_next_time_stamp_ends_an_image():
    images = receive([packet(number, SLICE, number * 3600) for number in range(4)])
    assert [image.ticks for image in images] == [0, 3600, 7200]
    assert not any(image.damaged for image in images)


def test_markers_behind_every_slice_are_seen_through():
    """The first image is lost by it, all others are whole."""
    packets = []
    for number in range(4):
        packets.append(packet(2 * number, SLICE, number * 3600, marker=True))
        packets.append(packet(2 * number + 1, SECOND_SLICE, number * 3600, marker=True))
    images = receive(packets)
    assert bytes(images[-1].data) == joined(SLICE, SECOND_SLICE)
    assert [image.damaged for image in images[2:]] == [False] * len(images[2:])


def test_a_gap_damages_the_image_that_it_falls_into():
    first = [packet(1, IDR, marker=True)]
    second = [packet(2, SLICE, 3600), packet(4, SECOND_SLICE, 3600, marker=True)]
    third = [packet(5, SLICE, 7200, marker=True)]
    assert [one.damaged for one in receive(first + second + third)] == [False, True, False]


def test_a_gap_between_two_images_damages_the_later_one():
    images = receive([packet(1, IDR, marker=True), packet(3, SLICE, 7200, marker=True)])
    assert [one.damaged for one in images] == [False, True]


def test_a_fragment_without_its_beginning_is_damage():
    receiver = RtpReceiver(TYPE, H264Assembler())
    fragments = Packetiser("h264").packets((SLICE + bytes(5000),), 0)
    assert receive(fragments[1:], receiver) == []
    (image,) = receive([packet(9, SLICE, 3600, marker=True)], receiver)
    assert image.damaged


def test_a_new_source_is_a_gap():
    images = receive([packet(1, IDR, marker=True), packet(2, SLICE, marker=True, source=8)])
    assert [one.damaged for one in images] == [False, True]


def test_copies_and_late_packets_are_ignored_and_a_new_count_is_not():
    packets = [packet(100, IDR, marker=True), packet(101, SLICE, 3600, marker=True)]
    again = [packet(100, IDR, marker=True), packet(90, SLICE, marker=True)]
    assert len(receive([*packets, *again])) == 2
    begun_anew = [packet(65_000, IDR, marker=True), packet(3, SLICE, 3600, marker=True)]
    assert len(receive([packet(40_000, IDR, marker=True), packet(3, IDR, 1, marker=True)])) == 2
    assert len(receive(begun_anew)) == 2


def test_time_stamps_do_not_wrap():
    base = 2**32 - 3600
    packets = [packet(n, SLICE, base + n * 3600, marker=True) for n in range(4)]
    ticks = [image.ticks for image in receive(packets)]
    assert [later - earlier for earlier, later in pairwise(ticks)] == [3600] * 3


def test_padding_extensions_and_sources_are_taken_off():
    plain = packet(1, IDR, marker=True)
    padded = bytes([plain[0] | 0x20]) + plain[1:] + b"\0\0\3"
    extended = bytes([plain[0] | 0x10]) + plain[1:12] + b"\xbe\xde\0\1abcd" + plain[12:]
    sources = bytes([plain[0] | 2]) + plain[1:12] + b"abcdefgh" + plain[12:]
    for one in (padded, extended, sources):
        (image,) = receive([one])
        assert bytes(image.data) == joined(IDR)


def test_other_payload_types_are_ignored():
    sound = bytearray(packet(5, b"sound", marker=True))
    sound[1] = 0x80 | 8
    (image,) = receive([packet(1, SLICE), bytes(sound), packet(2, SECOND_SLICE, marker=True)])
    assert not image.damaged


def test_an_image_without_end_is_dropped():
    receiver = RtpReceiver(TYPE, H264Assembler())
    part = b"\x41\x9a" + bytes(60_000)
    for number in range(MAX_IMAGE_BYTES // 60_000 + 10):
        assert receive([packet(number, part)], receiver) == []
    (image,) = receive([packet(number + 1, b"\x41\x02", marker=True)], receiver)
    assert image.damaged
    assert len(image.data) < MAX_IMAGE_BYTES


def test_descriptions_without_an_image_are_bounded():
    receiver = RtpReceiver(TYPE, H264Assembler())
    for number in range(1000):
        receive([packet(number, SEI + bytes(1000), number, marker=True)], receiver)
    (image,) = receive([packet(1000, IDR, 1000, marker=True)], receiver)
    assert len(image.data) < 100_000


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 2, 1], [2, 1, 0], [0, 1, 2, 2, 1]])
def test_datagrams_are_put_back_in_order(order):
    receiver = RtpReceiver(TYPE, H264Assembler())
    buffer = ReorderBuffer(receiver)
    parts = [packet(10, SLICE, marker=True)]
    parts += [packet(11, SPS, 1), packet(12, PPS, 1), packet(13, IDR, 1, marker=True)]
    for one in [parts[0], *(parts[1 + number] for number in order)]:
        buffer.push(bytearray(one), len(one), 0.0)
    images = list(receiver.ready)
    assert [bytes(image.data) for image in images] == [joined(SLICE), joined(SPS, PPS, IDR)]
    assert not any(image.damaged for image in images)


def test_a_lost_datagram_is_waited_for_and_then_given_up():
    receiver = RtpReceiver(TYPE, H264Assembler())
    buffer = ReorderBuffer(receiver)
    for number in (1, 3):
        one = packet(number, SLICE, number, marker=True)
        buffer.push(bytearray(one), len(one), 0.0)
    buffer.expire(0.01)
    assert len(receiver.ready) == 1
    buffer.expire(1.0)
    assert [image.damaged for image in receiver.ready] == [False, True]


@settings(max_examples=scaled(100), deadline=None)
@given(st.lists(st.binary(min_size=0, max_size=60), max_size=30), st.booleans(), st.data())
def test_nothing_that_comes_raises(payloads, h265, data):
    receiver = RtpReceiver(TYPE, H265Assembler() if h265 else H264Assembler())
    buffer = ReorderBuffer(receiver)
    for number, payload in enumerate(payloads):
        one = bytearray(packet(number, payload, number // 3, marker=number % 3 == 2))
        if data.draw(st.booleans()):
            one[data.draw(st.integers(0, 11))] = data.draw(st.integers(0, 255))
        receiver.push(one, 0, len(one))
        buffer.push(one, len(one), number / 10)
    for image in receiver.ready:
        assert image.data.startswith(START)
