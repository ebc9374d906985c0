"""Rows of a SQLite file, each page read by itself.

Neither the schema nor the inner nodes of a tree are needed, so a damaged page costs the rows on it
and no other. Nothing in a page is believed: what does not decode to its last byte is no row.
Format: https://sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

DEFAULT_PAGE_BYTES = 4096
"""SQLite's own since 2016, and never changed by an outbox."""
PAGE_SIZES = frozenset(1 << bits for bits in range(9, 17))
HEADER_BYTES = 100
"""Of the file, at the beginning of its first page."""
MAX_PAYLOAD_BYTES = 16 * 1024 * 1024
TABLE_LEAF, INDEX_LEAF, INDEX_INNER = 0x0D, 0x0A, 0x02
INT_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
FLOAT, ZERO, ONE, FIRST_BLOB = 7, 8, 9, 12

Value = None | int | float | str | bytes
GetPage = Callable[[int], bytes]
"""A page by its number; empty where it cannot be had."""


class NotARow(Exception):
    """These bytes are no row."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a cell holds. `rowid` is None in an index, and in a table without one."""

    rowid: int | None
    values: tuple[Value, ...]


def is_page_size(size: int) -> bool:
    """Whether a page may have so many bytes."""
    return size in PAGE_SIZES


def rows_of(number: int, page: bytes, get_page: GetPage) -> Iterator[Row]:
    """All rows of a page; a page of an unknown kind is tried as a leaf of a table and an index."""
    start = HEADER_BYTES if number == 1 else 0
    if len(page) < start + 8:
        return
    kind = page[start]
    kinds = (kind,) if kind in (TABLE_LEAF, INDEX_LEAF, INDEX_INNER) else (TABLE_LEAF, INDEX_LEAF)
    for one in kinds:
        for offset in _cells(page, start + (12 if one == INDEX_INNER else 8)):
            try:
                yield _row(page, offset, one, get_page)
            except NotARow:
                continue


def _cells(page: bytes, array: int) -> list[int]:
    """Where cells begin. The page's count of them is not asked: pointers end where cells begin."""
    found: list[int] = []
    end = len(page)
    while array + 2 <= end:
        (offset,) = struct.unpack_from(">H", page, array)
        array += 2
        if array <= offset < len(page):
            end = min(end, offset)
            if offset not in found:
                found.append(offset)
    return found


def _row(page: bytes, at: int, kind: int, get_page: GetPage) -> Row:
    usable = len(page)
    if kind == INDEX_INNER:
        at += 4
    size, at = _varint(page, at)
    rowid = None
    if kind == TABLE_LEAF:
        number, at = _varint(page, at)
        rowid = number - (1 << 64) if number >> 63 else number
    if size > MAX_PAYLOAD_BYTES:
        raise NotARow
    most = usable - 35 if kind == TABLE_LEAF else (usable - 12) * 64 // 255 - 23
    local = size
    if size > most:
        least = (usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (usable - 4)
        local = local if local <= most else least
    if at + local > usable:
        raise NotARow
    payload = page[at : at + local]
    if local < size:
        (following,) = struct.unpack_from(">I", page + b"\0\0\0\0", at + local)
        payload += _overflow(following, size - local, get_page)
    return Row(rowid, _values(payload))


def _overflow(number: int, size: int, get_page: GetPage) -> bytes:
    found = b""
    while len(found) < size:
        page = get_page(number)
        if not page:
            raise NotARow
        (number,) = struct.unpack_from(">I", page)
        found += page[4 : 4 + size - len(found)]
    return found


def _values(payload: bytes) -> tuple[Value, ...]:
    header, at = _varint(payload, 0)
    body = header
    values: list[Value] = []
    while at < header:
        kind, at = _varint(payload, at)
        value, body = _value(payload, body, kind)
        values.append(value)
    if at != header or body != len(payload):
        raise NotARow
    return tuple(values)


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in (ZERO, ONE):
        return kind - ZERO, at
    size = INT_BYTES.get(kind) or (8 if kind == FLOAT else (kind - FIRST_BLOB) // 2)
    piece = payload[at : at + size]
    if size < 0 or len(piece) < size:
        raise NotARow
    end = at + size
    if kind in INT_BYTES:
        return int.from_bytes(piece, "big", signed=True), end
    if kind == FLOAT:
        return struct.unpack(">d", piece)[0], end
    if kind < FIRST_BLOB:
        raise NotARow
    if kind % 2 == 0:
        return piece, end
    return piece.decode(errors="replace"), end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for byte in data[at : at + 8]:
        value = (value << 7) | (byte & 0x7F)
        at += 1
        if not byte & 0x80:
            return value, at
    if at >= len(data):
        raise NotARow
    # The ninth byte counts whole.
    return (value << 8) | data[at], at + 1
