"""Trial clips are real video, and measuring them goes through the code that reads cameras."""

from __future__ import annotations

import pytest

from camera_adapters.conversion import VideoImage
from camera_adapters.decoding import TrackDecoder, open_container
from camera_adapters.geometry import Size, ViewSpec
from camera_adapters.rtp import CodedImage
from camera_adapters.rtsp_stream import new_receiver
from camera_adapters.sdp import VideoCodec, VideoTrack
from camera_adapters.spec import CameraSpec
from camera_adapters.trial_clip import FPS, IMAGES, TrialClip, write_trial_clip
from camera_adapters.video_trial import _interleaved, conversion_s, video_cost

CODECS = [VideoCodec.H264, VideoCodec.H265]
SMALL = Size(320, 180)


@pytest.fixture(scope="module", params=CODECS)
def clip(request, tmp_path_factory) -> TrialClip:
    path = tmp_path_factory.mktemp("trial") / "clip.mp4"
    return write_trial_clip(request.param, SMALL, path, noisy=True)


def test_what_a_camera_would_send_is_decoded_image_by_image(clip):
    decoder = TrackDecoder(CameraSpec("a", "rtsp://a/"), VideoTrack(clip.codec, 96, "", clip.sets))
    decoded = [decoder.decode(one) for one in clip.coded]
    assert [len(one) for one in decoded] == [1] * IMAGES
    assert all(isinstance(image, VideoImage) for (image,) in decoded)
    assert {image.size for (image,) in decoded} == {SMALL}
    assert [one.key for one in clip.coded] == [True] + [False] * (IMAGES - 1)


def test_the_file_plays_the_same_images(clip):
    container = open_container(CameraSpec("a", "rtsp://a/"), clip.path)
    images = list(container.images(lambda _: AssertionError()))
    assert len([one for one in images if isinstance(one, VideoImage)]) == IMAGES
    assert container.step_s == pytest.approx(1 / FPS)
    container.close()


def test_packets_give_the_coded_images_back(clip):
    receiver = new_receiver(VideoTrack(clip.codec, 96, "", clip.sets))
    received: list[CodedImage] = []
    for sent in _interleaved(clip):
        data, at = bytearray(sent), 0
        while at < len(data):
            end = at + 4 + (data[at + 2] << 8) + data[at + 3]
            receiver.push(data, at + 4, end)
            at = end
        received += receiver.ready
        receiver.ready.clear()
    assert len(received) == IMAGES
    assert not any(one.damaged for one in received)
    assert [one.ticks for one in received] == [
        one.ticks - clip.coded[0].ticks for one in clip.coded
    ]
    for got, sent in zip(received, clip.coded, strict=True):
        assert bytes(got.data).replace(b"\0\0\0\1", b"\0\0\1").strip(b"\0") == (
            bytes(sent.data).replace(b"\0\0\0\1", b"\0\0\1").strip(b"\0")
        )


def test_noise_takes_bits_and_pixels_take_time(tmp_path):
    def written(size: Size, noisy: bool) -> TrialClip:
        path = tmp_path / f"{size}-{noisy}.mp4"
        return write_trial_clip(VideoCodec.H264, size, path, noisy=noisy)

    small, large = written(SMALL, False), written(Size(1280, 720), False)
    assert written(SMALL, True).megabits > 2 * small.megabits
    costs = [video_cost(one, 1) for one in (small, large)]
    assert costs[1].decode_s > 3 * costs[0].decode_s
    assert all(one.receive_s > 0 for one in costs)
    assert costs[0].megapixels == pytest.approx(0.0576)


def test_a_conversion_that_halves_costs_less_than_one_that_does_not():
    view = ViewSpec(Size(640, 384))
    assert conversion_s(Size(1280, 720), view, 1) < conversion_s(Size(1920, 1080), view, 1)
