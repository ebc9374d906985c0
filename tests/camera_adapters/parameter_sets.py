"""Sequence parameter sets that state any size of an image, as a hostile camera may send them."""

from __future__ import annotations


class Bits:
    """Writes fields of bits; see ITU-T H.264 and H.265, 7.2 and 9.1."""

    def __init__(self) -> None:
        self._text = ""

    def u(self, value: int, bits: int = 1) -> Bits:
        """An unsigned number of so many bits."""
        self._text += f"{value:0{bits}b}"
        return self

    def ue(self, *values: int) -> Bits:
        """Exp-Golomb codes."""
        for value in values:
            code = f"{value + 1:b}"
            self._text += "0" * (len(code) - 1) + code
        return self

    def unit(self, header: bytes) -> bytes:
        """The NAL unit, with trailing bits and emulation prevention."""
        text = self._text + "1"
        text += "0" * (-len(text) % 8)
        data = bytearray(header)
        zeros = 0
        for byte in int(text, 2).to_bytes(len(text) // 8, "big"):
            if zeros >= 2 and byte <= 3:
                data.append(3)
                zeros = 0
            data.append(byte)
            zeros = 0 if byte else zeros + 1
        return bytes(data)


def h264_sps(width: int, height: int, shown: tuple[int, int] | None = None) -> bytes:
    """An H.264 SPS, baseline profile; `shown` is what remains after cropping."""
    bits = Bits().u(66, 8).u(0xC0, 8).u(62, 8).ue(0, 0, 2, 1).u(0)
    bits.ue(width // 16 - 1, height // 16 - 1).u(1).u(1)
    if shown is None:
        bits.u(0)
    else:
        bits.u(1).ue(0, (width - shown[0]) // 2, 0, (height - shown[1]) // 2)
    return bits.u(0).unit(b"\x67")


def h265_sps(
    width: int, height: int, shown: tuple[int, int] | None = None, sub_layers: int = 0
) -> bytes:
    """An H.265 SPS, main profile; `shown` is what its conformance window shows."""
    bits = Bits().u(0, 4).u(sub_layers, 3).u(1)
    # Profile, tier and level, of which those of sub-layers are left out.
    bits.u(0, 2).u(0).u(1, 5).u(0x6000_0000, 32).u(0b1001, 4).u(0, 44).u(186, 8)
    if sub_layers:
        bits.u(0, 2 * 8)
    bits.ue(0, 1, width, height)
    if shown is None:
        bits.u(0)
    else:
        bits.u(1).ue(0, (width - shown[0]) // 2, 0, (height - shown[1]) // 2)
    # 8 bits; order count of 8 bits; one picture held; blocks of 8 to 64 and 4 to 32.
    bits.ue(0, 0, 4).u(1)
    for _ in range(sub_layers + 1):
        bits.ue(0, 0, 0)
    bits.ue(0, 3, 0, 3, 0, 0)
    return bits.u(0).u(0).u(0).u(0).ue(0).u(0).u(0).u(0).u(0).u(0).unit(b"\x42\x01")
