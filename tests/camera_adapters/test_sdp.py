"""Descriptions: the one track that can be read, whatever else a camera says."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camera_adapters.sdp import (
    NoVideoTrackError,
    VideoCodec,
    parse_sdp,
    resolve_control,
)
from tests.levels import scaled

SPS, PPS = b"\x67\x42\x00\x1f", b"\x68\xce\x3c\x80"
SETS = f"{base64.b64encode(SPS).decode()},{base64.b64encode(PPS).decode()}"
HEAD = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"


def video(payload_type: int = 96, *lines: str, profile: str = "RTP/AVP") -> str:
    return "\r\n".join([f"m=video 0 {profile} {payload_type}", *lines, ""])


H264 = video(
    96, "a=rtpmap:96 H264/90000", f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={SETS}"
)


def test_h264_with_its_parameter_sets():
    track = parse_sdp((HEAD + H264).encode()).video
    assert (track.codec, track.payload_type) == (VideoCodec.H264, 96)
    assert track.parameter_sets == b"\0\0\0\1" + SPS + b"\0\0\0\1" + PPS


def test_h265_with_its_parameter_sets_in_the_order_of_decoding():
    one = base64.b64encode(b"vps").decode(), base64.b64encode(b"sps").decode()
    sdp = HEAD + video(
        98, "a=rtpmap:98 h265/90000", f"a=fmtp:98 sprop-sps={one[1]}; sprop-vps={one[0]}"
    )
    track = parse_sdp(sdp.encode()).video
    assert track.codec is VideoCodec.H265
    assert track.parameter_sets == b"\0\0\0\1vps\0\0\0\1sps"


def test_jpeg_needs_no_rtpmap():
    assert parse_sdp((HEAD + video(26)).encode()).video.codec is VideoCodec.JPEG


def test_sound_and_metadata_are_left_alone_and_controls_stay_apart():
    sdp = (
        HEAD
        + "a=control:rtsp://10.0.0.5/base\r\n"
        + "m=audio 0 RTP/AVP 8\r\na=control:track0\r\n"
        + H264
        + "a=control:track1\r\n"
        + "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"
        + "a=control:track2\r\n"
    )
    found = parse_sdp(sdp.encode())
    assert (found.control, found.video.control) == ("rtsp://10.0.0.5/base", "track1")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_any_end_of_line(ending):
    assert parse_sdp((HEAD + H264).replace("\r\n", ending).encode()).video.parameter_sets


@pytest.mark.parametrize(
    ("sdp", "offered"),
    [
        ("", ()),
        (HEAD, ()),
        (HEAD + "m=audio 0 RTP/AVP 8\r\n", ()),
        (HEAD + video(96, "a=rtpmap:96 AV1/90000"), ("AV1",)),
        (HEAD + video(96, "a=rtpmap:96 VP9/90000"), ("VP9",)),
        (HEAD + video(96, "a=rtpmap:96 \x1b[31mX/90000"), ()),
        (HEAD + video(96, "a=rtpmap:96 H264/90000", profile="RTP/SAVP"), ("H264",)),
        (HEAD + video(96, "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=2"), ("H264",)),
        (HEAD + video(96, "a=rtpmap:96 H265/90000", "a=fmtp:96 sprop-max-don-diff=3"), ("H265",)),
    ],
)
def test_what_is_not_read_is_named_as_far_as_it_can_be(sdp, offered):
    with pytest.raises(NoVideoTrackError) as caught:
        parse_sdp(sdp.encode())
    assert caught.value.offered == offered


def test_the_second_codec_of_a_track_may_be_the_one():
    sdp = HEAD + "m=video 0 RTP/AVP 97 96\r\na=rtpmap:97 AV1/90000\r\na=rtpmap:96 H264/90000\r\n"
    assert parse_sdp(sdp.encode()).video.payload_type == 96


@pytest.mark.parametrize("text", ["!!!", "A", "=" * 9, "ä", "QUJD" * 8000])
def test_parameter_sets_that_cannot_be_read_are_left_out(text):
    sdp = HEAD + video(96, "a=rtpmap:96 H264/90000", f"a=fmtp:96 sprop-parameter-sets={text}")
    assert len(parse_sdp(sdp.encode()).video.parameter_sets) <= 16 * 1024


@pytest.mark.parametrize(
    ("base", "control", "url"),
    [
        ("rtsp://c/live", "*", "rtsp://c/live"),
        ("rtsp://c/live", "", "rtsp://c/live"),
        ("rtsp://c/live/", "track1", "rtsp://c/live/track1"),
        ("rtsp://c/live", "track1", "rtsp://c/live/track1"),
        ("rtsp://c/live?x=1", "trackID=0", "rtsp://c/live?x=1/trackID=0"),
        ("rtsp://c/live", "rtsp://d/other", "rtsp://d/other"),
        ("rtsp://c:8554/live", "/abs/track1", "rtsp://c:8554/abs/track1"),
        ("rtsps://c/live", "/abs", "rtsps://c/abs"),
    ],
)
def test_controls(base, control, url):
    assert resolve_control(base, control) == url


@pytest.mark.parametrize("control", ["a b", "a\tb", "x" * 5000, "ä", "rtsp://[", "\x01"])
def test_a_control_never_breaks_a_request(control):
    sdp = HEAD + H264 + f"a=control:{control}\r\n"
    assert parse_sdp(sdp.encode()).video.control == ""


GOOD = (HEAD + "a=control:*\r\n" + H264 + "a=control:track1\r\n").encode()


@settings(max_examples=scaled(100), deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=30))
def test_a_damaged_description_has_a_track_or_none(changes):
    damaged = bytearray(GOOD)
    for at, value in changes:
        damaged[at] = value
    try:
        found = parse_sdp(bytes(damaged))
    except NoVideoTrackError:
        return
    url = resolve_control(resolve_control("rtsp://c/live", found.control), found.video.control)
    assert url.isascii()
    assert not any(character.isspace() for character in url)


@settings(max_examples=scaled(50), deadline=None)
@given(st.binary(max_size=2000))
def test_noise_has_no_track(noise):
    with pytest.raises(NoVideoTrackError):
        parse_sdp(noise)
