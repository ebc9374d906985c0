"""`YamlText`: changes single values of a YAML file and leaves every other byte as it is.

Comments, order, quotes and spacing of whatever is not changed stay. Each change is checked: read
again, the text must say what it said before and the change, and nothing else. What cannot be
changed so, such as a value that an anchor shares with others, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import yaml

from cityeye.config.document import LOADER
from cityeye.config.problem import Key, dotted
from cityeye.errors import CityEyeError

BREAKS: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
WIDE: Final = 1_000_000
"""A value stands on one line, however long."""

VARIABLE_BEGIN: Final = re.compile(r"\$(?=\{)")
INDENT: Final = 2


class NotEditableError(CityEyeError):
    """A file is written in a way that only a person can change."""


@dataclass(slots=True)
class _Piece:
    """A value in the text, by character offsets.

    Attributes:
        items: Keys and values of a mapping, one after another, or the values of a sequence.
        column: Of its first character.
    """

    kind: Literal["scalar", "mapping", "sequence", "alias"]
    start: int
    end: int
    column: int
    flow: bool = False
    value: str = ""
    items: list[_Piece] = field(default_factory=list)

    @property
    def entries(self) -> list[tuple[_Piece, _Piece]]:
        """Keys with values of a mapping."""
        return list(zip(self.items[::2], self.items[1::2], strict=True))


class YamlText:
    """A text that is changed step by step.

    Attributes:
        text: As it is now.
    """

    def __init__(self, text: str) -> None:
        """Takes the text of one document.

        Raises:
            NotEditableError: It is no YAML.
        """
        self.text = text
        self._data = self._read(text)

    @property
    def data(self) -> Any:  # noqa: ANN401 - plain YAML data
        """What the text says now; not to be changed."""
        return self._data

    def set(self, path: Key, value: object) -> None:
        """Gives a key a value; keys of mappings on the way that are missing are added.

        Raises:
            NotEditableError: The text stays as it was.
        """
        wanted = _unshared(self._data)
        parent: Any = wanted
        for step in path[:-1]:
            if isinstance(parent, dict) and parent.get(step) is None:
                parent[step] = {}
            parent = self._inside(parent, step, path)
        if not isinstance(parent, dict):
            raise self._refusal(path)
        parent[path[-1]] = value
        piece, left = _nearest(_pieces(self.text), path)
        if piece.kind == "alias" and left:
            # What an alias names belongs to others: here a value of its own takes its place.
            path = path[: len(path) - len(left)]
            value = wanted
            for step in path:
                value = self._inside(value, step, path)
        self._take(self._with_value(path, value), wanted, path)

    def remove(self, path: Key) -> None:
        """Removes a key, or an item of a sequence; nothing where there is none.

        A mapping that would be empty then goes with it.

        Raises:
            NotEditableError: The text stays as it was.
        """
        wanted = _unshared(self._data)
        parent: Any = wanted
        for step in path[:-1]:
            if isinstance(parent, dict) and parent.get(step) is None:
                return
            parent = self._inside(parent, step, path)
        if isinstance(parent, dict) and path[-1] not in parent:
            return
        if isinstance(parent, dict) and len(parent) == 1 and len(path) > 1:
            self.remove(path[:-1])
            return
        del parent[path[-1]]
        self._take(self._without(path), wanted, path)

    def append(self, path: Key, values: list[object]) -> None:
        """Adds items to the end of a sequence.

        Raises:
            NotEditableError: The text stays as it was.
        """
        wanted = _unshared(self._data)
        there: Any = wanted
        for step in path:
            there = self._inside(there, step, path)
        if not isinstance(there, list):
            raise self._refusal(path)
        there.extend(values)
        self._take(self._with_items(path, values), wanted, path)

    def _inside(self, parent: Any, step: str | int, path: Key) -> Any:  # noqa: ANN401
        try:
            return parent[step]
        except (LookupError, TypeError):
            raise self._refusal(path) from None

    def _read(self, text: str) -> Any:  # noqa: ANN401 - plain YAML data
        try:
            return yaml.load(text, Loader=LOADER)  # noqa: S506 - one of the safe loaders
        except (yaml.YAMLError, ValueError, RecursionError):
            raise NotEditableError("the file is no YAML any more; correct it by hand") from None

    def _take(self, text: str, wanted: object, path: Key) -> None:
        try:
            data = self._read(text)
        except NotEditableError:
            data = None
        if data != wanted:
            raise NotEditableError(
                f"{dotted(path)}: it is written with anchors or in a way that a program cannot "
                "change; edit the file by hand and run `cityeye apply`"
            )
        self.text, self._data = text, data

    def _with_value(self, path: Key, value: object) -> str:
        root = _pieces(self.text)
        piece, left = _nearest(root, path)
        if not left:
            parent, _ = _nearest(root, path[:-1])
            if parent.kind != "mapping":
                raise self._refusal(path)
            key = next(k for k, v in parent.entries if v is piece)
            rest = _valued(value, parent.column, block=not parent.flow)
            return self.text[: key.end] + rest + self.text[piece.end :]
        for step in reversed(left[1:]):
            value = {step: value}
        if piece.kind == "scalar" and not piece.value:
            # `zones:` with nothing behind it is an empty mapping.
            return self._with_value(path[: len(path) - len(left)], {left[0]: value})
        if piece.kind != "mapping":
            raise self._refusal(path)
        entry = _entry(left[0], value, piece.column, block=not piece.flow)
        if piece.flow or not piece.items:
            return self._into_flow(piece, entry)
        at = self._line_end(piece.items[-1].end)
        return f"{self.text[:at]}\n{' ' * piece.column}{entry}{self.text[at:]}"

    def _into_flow(self, piece: _Piece, entry: str) -> str:
        at = piece.items[-1].end if piece.items else piece.start + 1
        comma = ", " if piece.items else ""
        return f"{self.text[:at]}{comma}{entry}{self.text[at:]}"

    def _without(self, path: Key) -> str:
        root = _pieces(self.text)
        parent, left = _nearest(root, path[:-1])
        piece, missing = _nearest(root, path)
        if left or missing:
            raise self._refusal(path)
        own = [k for k, v in parent.entries if v is piece] if parent.kind == "mapping" else [piece]
        start = own[0].start
        if parent.flow:
            return self._out_of_flow(parent, start, piece.end)
        if parent.kind == "sequence":
            start = self.text.rindex("-", 0, start)
        line = self._line_start(start)
        if self.text[line:start].strip():
            later = [k.start for k, _ in parent.entries if k.start > start]
            if parent.kind != "mapping" or not later:
                raise self._refusal(path)
            return self.text[:start] + self.text[min(later) :]
        return self.text[:line] + self.text[self._line_end(piece.end) :].removeprefix("\n")

    def _out_of_flow(self, parent: _Piece, start: int, end: int) -> str:
        after = re.match(r"\s*,\s*", self.text[end : parent.end])
        if after:
            return self.text[:start] + self.text[end + after.end() :]
        before = re.search(r"\s*,\s*$", self.text[parent.start : start])
        return self.text[: parent.start + before.start() if before else start] + self.text[end:]

    def _with_items(self, path: Key, values: list[object]) -> str:
        piece, left = _nearest(_pieces(self.text), path)
        if left or piece.kind != "sequence" or piece.flow or not piece.items:
            raise self._refusal(path)
        dash = self.text.rindex("-", 0, piece.items[0].start)
        column = dash - self._line_start(dash)
        lines = [f"{' ' * column}- {_block(value, column + INDENT)}" for value in values]
        at = self._line_end(piece.items[-1].end)
        return "\n".join((self.text[:at], *lines)) + self.text[at:]

    def _line_start(self, offset: int) -> int:
        return max((m.end() for m in BREAKS.finditer(self.text, 0, offset)), default=0)

    def _line_end(self, offset: int) -> int:
        match = BREAKS.search(self.text, offset)
        return match.start() if match else len(self.text)

    def _refusal(self, path: Key) -> NotEditableError:
        return NotEditableError(
            f"{dotted(path)}: a program cannot change it; edit the file by hand"
        )


def _unshared(value: Any) -> Any:  # noqa: ANN401 - plain YAML data
    """A copy in which what an alias names is there once for each time that it is named."""
    if isinstance(value, dict):
        return {key: _unshared(one) for key, one in value.items()}
    return [_unshared(one) for one in value] if isinstance(value, list) else value


def without_variables(value: Any) -> Any:  # noqa: ANN401 - plain YAML data
    """A value in which `${NAME}` means itself when the configuration is read.

    Who gives a value over the API must not be able to read the city's environment with it.
    """
    if isinstance(value, str):
        return VARIABLE_BEGIN.sub("$$", value)
    if isinstance(value, dict):
        # Variables in keys are none.
        return {key: without_variables(one) for key, one in value.items()}
    return [without_variables(one) for one in value] if isinstance(value, list) else value


def _nearest(root: _Piece, path: Key) -> tuple[_Piece, Key]:
    """The value of a path, or of its nearest parent that the text has, and what is left."""
    piece = root
    for number, step in enumerate(path):
        found: list[_Piece] = []
        if piece.kind == "sequence" and isinstance(step, int):
            found = piece.items[step : step + 1]
        elif piece.kind == "mapping":
            found = [value for key, value in piece.entries if key.value == step]
        if not found:
            return piece, path[number:]
        piece = found[0]
    return piece, ()


def _entry(name: object, value: object, column: int, *, block: bool) -> str:
    return _flow(name) + _valued(value, column, block=block)


def _valued(value: object, column: int, *, block: bool) -> str:
    """What stands behind a key that begins at a column."""
    if block and isinstance(value, dict) and value:
        inner = " " * (column + INDENT)
        return f":\n{inner}{_block(value, column + INDENT)}"
    return f": {_flow(value)}"


def _block(value: object, column: int) -> str:
    """A value whose first line begins at a column, where something may stand before it."""
    if not isinstance(value, dict) or not value:
        return _flow(value)
    entries = (_entry(name, one, column, block=True) for name, one in value.items())
    return f"\n{' ' * column}".join(entries)


def _flow(value: object) -> str:
    dumped = yaml.safe_dump(
        [value], default_flow_style=True, width=WIDE, allow_unicode=True, sort_keys=False
    )
    return dumped.strip()[1:-1]


def _pieces(text: str) -> _Piece:
    """The root value of a document.

    Raises:
        NotEditableError: It has none.
    """
    events = yaml.parse(text, Loader=LOADER)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            return _PieceReader(text, events).read(next(events))
    raise NotEditableError("the file is empty")


class _PieceReader:
    """Turns the events of a parser into pieces."""

    def __init__(self, text: str, events: Iterator[yaml.Event]) -> None:
        self._text = text
        self._events = events
        self._starts = [0, *(match.end() for match in BREAKS.finditer(text))]

    def read(self, event: yaml.Event) -> _Piece:
        """The value that begins with an event."""
        start, column = self._offset(event.start_mark)
        end, _ = self._offset(event.end_mark)
        if isinstance(event, yaml.ScalarEvent):
            if event.style in ("|", ">"):
                end = start + len(self._text[start:end].rstrip())
            return _Piece("scalar", start, end, column, value=event.value)
        if isinstance(event, yaml.MappingStartEvent):
            return self._collection(_Piece("mapping", start, end, column, bool(event.flow_style)))
        if isinstance(event, yaml.SequenceStartEvent):
            return self._collection(_Piece("sequence", start, end, column, bool(event.flow_style)))
        return _Piece("alias", start, end, column)

    def _collection(self, piece: _Piece) -> _Piece:
        for event in self._events:
            if isinstance(event, yaml.CollectionEndEvent):
                # The end of a block is where the next thing begins, behind comments.
                last = piece.items[-1].end if piece.items else piece.start
                piece.end = self._offset(event.end_mark)[0] if piece.flow else last
                break
            piece.items.append(self.read(event))
        if piece.items and not piece.flow:
            piece.column = piece.items[0].column
        return piece

    def _offset(self, mark: Any) -> tuple[int, int]:  # noqa: ANN401 - of PyYAML or libyaml
        """Offset and column of a mark."""
        if mark.line >= len(self._starts):
            return len(self._text), 0
        return min(self._starts[mark.line] + mark.column, len(self._text)), mark.column
