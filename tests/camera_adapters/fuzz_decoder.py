"""Feeds mutated access units and descriptions to what reads a camera; run as a process of its own.

`python -m tests.camera_adapters.fuzz_decoder COUNT SEED CLIP...` prints how many were tried and how
many images came out, and ends with 0 if nothing but faults of cameras was raised. A crash of the
decoder shows as another status: the process is the sandbox.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from camera_adapters.conversion import VideoImage
from camera_adapters.decoding import TrackDecoder
from camera_adapters.errors import CameraFault
from camera_adapters.rtp import CodedImage
from camera_adapters.rtsp_stream import new_receiver
from camera_adapters.sdp import NoVideoTrackError, VideoTrack, parse_sdp
from camera_adapters.spec import CameraSpec
from simulation.rtsp_server.clip import Clip, load_clip
from simulation.rtsp_server.packetiser import Packetiser
from simulation.rtsp_server.sdp import describe

SPEC = CameraSpec("fuzzed", "rtsp://unused/live", max_pixels=1920 * 1080)
UNITS_PER_DECODER = 40
MUTATED_SHARE = 0.3


def mutate(data: bytes, chance: random.Random) -> bytes:
    """The data with bits flipped, bytes replaced, and parts cut out, doubled or overwritten."""
    changed = bytearray(data)
    for _ in range(chance.choice([0, 1, 1, 2, 5, 20])):
        if not changed:
            break
        at = chance.randrange(len(changed))
        kind = chance.randrange(6)
        if kind == 0:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        elif kind == 2:
            del changed[at : at + chance.randrange(1, 64)]
        elif kind == 3:
            changed[at:at] = changed[at : at + chance.randrange(1, 64)]
        elif kind == 4:
            changed[at : at + 4] = chance.choice([b"\0\0\1\x67", b"\0\0\0\1", b"\xff\xff\xff\xff"])
        else:
            changed[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(32)))
    return bytes(changed)


def keep(data: bytes, _: random.Random) -> bytes:
    """The data as it is."""
    return data


def described(clip: Clip, chance: random.Random) -> VideoTrack | None:
    """The track of a mutated description, None where there is none."""
    text = describe(clip, name="fuzz", session=1, host="127.0.0.1").encode()
    try:
        return parse_sdp(mutate(text, chance)).video
    except NoVideoTrackError:
        return None


def feed(clip: Clip, track: VideoTrack, count: int, chance: random.Random) -> tuple[int, int]:
    """Decodes access units, some of them mutated, as they are or as packets.

    Returns how many were mutated, and how many images came out.
    """
    try:
        decoder, receiver = TrackDecoder(SPEC, track), new_receiver(track)
    except CameraFault:
        return 1, 0
    packetiser = Packetiser(clip.codec)
    mutated = images = 0
    first = chance.randrange(len(clip.units))
    for number in range(count):
        unit = clip.units[(first + number) % len(clip.units)]
        nals = (*clip.parameter_sets, *unit.nals) if unit.key else unit.nals
        change = mutate if chance.random() < MUTATED_SHARE else keep
        mutated += change is mutate
        if chance.random() < 0.5:
            data = b"".join(b"\0\0\0\1" + change(nal, chance) for nal in nals)
            coded = [CodedImage(bytearray(data), number * 3600, unit.key, False)]
        else:
            for packet in packetiser.packets(nals, number * 3600):
                sent = bytearray(change(packet, chance))
                receiver.push(sent, 0, len(sent))
            coded = list(receiver.ready)
            receiver.ready.clear()
        for one in coded:
            try:
                found = decoder.decode(one)
            except CameraFault:
                return mutated, images
            for arrival in found:
                if isinstance(arrival, VideoImage):
                    arrival.fingerprint()
                    arrival.rgb()
                    images += 1
    return mutated, images


def main(arguments: list[str]) -> int:
    count, chance = int(arguments[0]), random.Random(int(arguments[1]))
    clips = [load_clip(Path(one)) for one in arguments[2:]]
    tried = images = descriptions = 0
    while tried < count:
        clip = chance.choice(clips)
        descriptions += 1
        track = described(clip, chance)
        if track is None:
            tried += 1
            continue
        mutated, made = feed(clip, track, UNITS_PER_DECODER, chance)
        tried += mutated
        images += made
    sys.stdout.write(f"{tried} tried, {descriptions} descriptions, {images} images\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
