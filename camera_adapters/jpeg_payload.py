"""JPEG from RTP payloads (RFC 2435): the file's head is made again, as only its scan is sent."""

from __future__ import annotations

import struct

_MAIN_HEADER_BYTES = 8
_RESTART_HEADER_BYTES = 4
_TABLE_HEADER_BYTES = 4
_RESTART_TYPES = range(64, 128)
_TYPES = (0, 1)
_FIRST_OWN_Q = 128
_TABLE_BYTES = 64
_BLOCK = 8

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN = bytes.fromhex("ffda000c03010002110311003f00")

# Tables of RFC 2435, Appendices A and B; the order of coefficients is the zigzag of a JPEG file.
_LUMA_Q = bytes.fromhex(
    "100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a333d3c3933"
    "383740485c4e404457453738506d51575f626768673e4d71797064785c656763"
)
_CHROMA_Q = bytes.fromhex("1112121815182f1a1a2f634238426363" + "63" * 48)


def _huffman(kind: int, lengths: str, values: str) -> bytes:
    body = bytes([kind]) + bytes.fromhex(lengths) + bytes.fromhex(values)
    return struct.pack(">HH", 0xFFC4, len(body) + 2) + body


_HUFFMAN_TABLES = b"".join(
    (
        _huffman(0x00, "00010501010101010100000000000000", "000102030405060708090a0b"),
        _huffman(
            0x10,
            "0002010303020403050504040000017d",
            "01020300041105122131410613516107227114328191a1082342b1c11552d1f024336272"
            "82090a161718191a25262728292a3435363738393a434445464748494a53545556575859"
            "5a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3"
            "a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2"
            "e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa",
        ),
        _huffman(0x01, "00030101010101010101010000000000", "000102030405060708090a0b"),
        _huffman(
            0x11,
            "00020102040403040705040400010277",
            "0001020311040521310612415107617113223281081442 91a1b1c109233352f0156272d1"
            "0a162434e125f11718191a262728292a35363738393a434445464748494a535455565758"
            "595a636465666768696a737475767778797a82838485868788898a92939495969798999a"
            "a2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9da"
            "e2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa".replace(" ", ""),
        ),
    )
)


class JpegAssembler:
    """One JPEG file per image; see `Assembler`."""

    def __init__(self) -> None:
        """Starts with nothing."""
        self.data = bytearray()
        self.has_image = False
        self.key = True
        self.damaged = False
        self.continued = False
        self._tables: dict[int, bytes] = {}
        self._head_bytes = 0

    def add(self, packet: bytearray, start: int, end: int) -> None:
        """See `Assembler`."""
        if end - start <= _MAIN_HEADER_BYTES:
            self.damaged = True
            return
        offset = int.from_bytes(packet[start + 1 : start + 4], "big")
        kind, q, width, height = packet[start + 4 : start + _MAIN_HEADER_BYTES]
        at = start + _MAIN_HEADER_BYTES
        interval = 0
        if kind in _RESTART_TYPES:
            interval = int.from_bytes(packet[at : at + 2], "big")
            at += _RESTART_HEADER_BYTES
        if offset == 0:
            tables, at = self._quantisation(packet, q, at, end)
            readable = tables and kind % 64 in _TYPES and kind < _RESTART_TYPES.stop
            if not readable or not width or not height:
                self.damaged = True
                return
            size = (width * _BLOCK, height * _BLOCK)
            self.data += _head(kind % 64, size, tables, interval)
            self._head_bytes = len(self.data)
            self.has_image = True
        elif not self.has_image or len(self.data) - self._head_bytes != offset:
            self.damaged = True
            return
        self.data += packet[at:end]

    def finish(self) -> bytearray:
        """See `Assembler`."""
        data = self.data
        data += _END
        self.damaged = False
        self.drop()
        return data

    def drop(self) -> None:
        """See `Assembler`."""
        self.data = bytearray()
        self.has_image = False

    def _quantisation(self, packet: bytearray, q: int, at: int, end: int) -> tuple[bytes, int]:
        """The two tables (empty where there are none) and where the scan begins."""
        if q < _FIRST_OWN_Q:
            return _scaled_tables(q), at
        precision = packet[at + 1] if at + 1 < end else 1
        length = int.from_bytes(packet[at + 2 : at + _TABLE_HEADER_BYTES], "big")
        at += _TABLE_HEADER_BYTES
        if length:
            self._tables[q] = bytes(packet[at : min(at + length, end)])
        tables = self._tables.get(q, b"")
        if len(tables) == _TABLE_BYTES:
            tables *= 2
        usable = len(tables) == 2 * _TABLE_BYTES and not precision
        return (tables if usable else b""), at + length


def _scaled_tables(q: int) -> bytes:
    """The standard tables for a quality of 1 to 99 (RFC 2435, 4.2)."""
    if not 1 <= q <= 99:  # noqa: PLR2004 - the range of the RFC
        return b""
    scale = 5000 // q if q < 50 else 200 - 2 * q  # noqa: PLR2004 - the formula of the RFC
    return bytes(min(255, max(1, (one * scale + 50) // 100)) for one in (*_LUMA_Q, *_CHROMA_Q))


def _head(kind: int, size: tuple[int, int], tables: bytes, interval: int) -> bytes:
    """The head of a JPEG file up to its scan."""
    width, height = size
    luma_sampling = 0x21 if kind == 0 else 0x22
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes(
        [1, luma_sampling, 0, 2, 0x11, 1, 3, 0x11, 1]
    )
    parts = [
        _START,
        *(
            struct.pack(">HHB", 0xFFDB, _TABLE_BYTES + 3, number)
            + tables[number * _TABLE_BYTES : (number + 1) * _TABLE_BYTES]
            for number in range(2)
        ),
        struct.pack(">HH", 0xFFDD, 4) + struct.pack(">H", interval) if interval else b"",
        struct.pack(">HH", 0xFFC0, len(frame) + 2) + frame,
        _HUFFMAN_TABLES,
        _SCAN,
    ]
    return b"".join(parts)
