"""`Document`: a YAML file as plain data that still knows the line of every key.

Reading never raises on what a person may have written: whatever cannot be read becomes a
`Problem`, and the rest of the file is still read, so that one run reports every mistake.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cityeye.config.problem import SECRET_KEYS, Key, Problem, dotted

MAX_BYTES = 4 * 1024 * 1024
"""Largest configuration that is read: some thousand cameras."""

MAX_DEPTH = 32
"""Deepest nesting; the schema needs eight levels."""

MAX_NODES = 150_000
"""Most values in a document after its aliases are followed."""

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser in C where PyYAML was built with it: ten times faster, which a big city feels."""

MERGE_TAG = "tag:yaml.org,2002:merge"
VARIABLE = re.compile(
    r"\$(?P<escaped>\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}"
)
"""`${NAME}`, `${NAME:-default}`, or `$${` for a `${` that is meant as it stands."""

MARKS = ("#", "&", "!")
"""What begins a comment, an anchor or a tag where a value is expected."""

QUOTED = re.compile(r" '[^']*'")


@dataclass(slots=True)
class Document:
    """What a YAML file says.

    Attributes:
        data: The file's mapping; empty where the file could not be read.
        lines: Line of each value's key, counted from 1.
        problems: What is wrong with the file, so far.
        warnings: What can be used but should be changed.
        variables: Names of the environment variables in values of `SECRET_KEYS`.
        written: How keys that were replaced stand in the file.
        digest: SHA-256 of the file, hexadecimal.
    """

    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    variables: set[str] = field(default_factory=set)
    written: dict[Key, Key] = field(default_factory=dict)
    digest: str = ""

    def line(self, key: Key) -> int:
        """The line of a key, or of its nearest parent that the file has."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 1)

    def report(self, key: Key, what: str, remedy: str, line: int | None = None) -> None:
        """Adds a problem at a key, or at a line where another key has the same name."""
        name = dotted(self.written.get(key, key))
        self.problems.append(Problem(line or self.line(key), name, what, remedy))

    def warn(self, key: Key, what: str, remedy: str) -> None:
        """Adds a warning at a key."""
        name = dotted(self.written.get(key, key))
        self.warnings.append(Problem(self.line(key), name, what, remedy))


def read_document(
    path: Path, environment: Mapping[str, str], content: bytes | None = None
) -> Document:
    """Reads a file; variables in values are taken from `environment`, see `VARIABLE`.

    With `content` it is read as if the file held that.
    """
    raw, problem = _read_bytes(path) if content is None else (content, None)
    text, problem = _decoded(raw) if problem is None else ("", problem)
    if problem is not None:
        return Document(problems=[problem])
    document = _parsed(text, environment)
    document.digest = hashlib.sha256(raw).hexdigest()
    return document


def _parsed(text: str, environment: Mapping[str, str]) -> Document:
    try:
        deep_line = _too_deep(text)
        if deep_line is not None:
            remedy = "Look for brackets that are not closed."
            return _failed(deep_line, "the file is nested too deeply", remedy)
        root = yaml.compose(text, Loader=LOADER)
    except yaml.YAMLError as error:
        return Document(problems=list(_syntax_problems(text, error)))
    if root is None:
        return _failed(1, "the file is empty", "Start from examples/city.yaml.")
    if not isinstance(root, yaml.MappingNode):
        return _failed(
            root.start_mark.line + 1,
            "the file is not a mapping of keys to values",
            "Start it with `city:` and `cameras:`; see examples/city.yaml.",
        )
    return _Reader(environment, text).read(root)


def _failed(line: int, what: str, remedy: str) -> Document:
    return Document(problems=[Problem(line, "", what, remedy)])


def _read_bytes(path: Path) -> tuple[bytes, Problem | None]:
    """What a file holds, or why that is not known."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1), None
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        return b"", Problem(1, "", f"the file cannot be read: {reason}", "Check the path.")


def _decoded(raw: bytes) -> tuple[str, Problem | None]:
    """The text of a file, or why it has none."""
    if len(raw) > MAX_BYTES:
        remedy = "Name a configuration file, not a recording."
        return "", Problem(1, "", f"the file is larger than {MAX_BYTES // 2**20} MiB", remedy)
    try:
        return raw.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return "", Problem(line, "", "the file is not UTF-8 text", "Save it as UTF-8.")


def _too_deep(text: str) -> int | None:
    """The line where nesting passes `MAX_DEPTH`: composing recurses, and in C that is fatal."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                return event.start_mark.line + 1 if event.start_mark else 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


def _syntax_problems(text: str, error: yaml.YAMLError) -> Iterator[Problem]:
    """Why PyYAML gave up; every line that is indented with a tab is named."""
    tabs = [
        number
        for number, line in enumerate(text.splitlines(), start=1)
        if "\t" in line[: len(line) - len(line.lstrip())]
    ]
    for number in tabs:
        yield Problem(number, "", "the line is indented with a tab", "Indent with spaces.")
    if tabs:
        return
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        # What PyYAML quotes may be a part of a secret.
        reason = QUOTED.sub("", error.problem or error.context or "it cannot be read")
        line = error.problem_mark.line + 1
        remedy = "Look for a missing colon, quote or bracket here or on the line before."
        yield Problem(line, "", f"the file is not valid YAML: {reason}", remedy)
        return
    position = getattr(error, "position", 0)
    line = text.count("\n", 0, position) + 1
    yield Problem(line, "", "the file holds a character that YAML forbids", "Remove it.")


class _Reader:
    """Turns one document's nodes into plain data."""

    def __init__(self, environment: Mapping[str, str], text: str) -> None:
        self._environment = environment
        self._text = text.splitlines()
        self._scalars = yaml.SafeLoader("")
        self._document = Document()
        self._open: set[int] = set()
        self._visited = 0

    def read(self, root: yaml.MappingNode) -> Document:
        self._document.lines[()] = root.start_mark.line + 1
        try:
            self._document.data = self._mapping(root, ())
        except _TooLargeError:
            self._document = _failed(
                1, "the file's aliases unfold to too many values", "Use fewer YAML aliases."
            )
        return self._document

    def _value(self, node: yaml.Node, key: Key) -> Any:  # noqa: ANN401 - plain YAML data
        self._visited += 1
        if self._visited > MAX_NODES:
            raise _TooLargeError
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, key)
        if id(node) in self._open:
            self._document.report(key, "the value contains itself", "Remove the YAML alias.")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, key)
            return self._sequence(node, key) if isinstance(node, yaml.SequenceNode) else None
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        first: dict[str, int] = {}
        for name, value in node.value:
            if name.tag == MERGE_TAG:
                merged = {**self._merge(value, key), **merged}
        for name, value in node.value:
            if name.tag == MERGE_TAG:
                continue
            line = name.start_mark.line + 1
            if not isinstance(name, yaml.ScalarNode):
                self._document.report(key, "a key is not plain text", "Name it with a word.", line)
            elif name.value in own:
                what = f"the key is already given on line {first[name.value]}"
                self._document.report((*key, name.value), what, "Remove one of the two.", line)
            else:
                first[name.value] = self._document.lines[(*key, name.value)] = line
                own[name.value] = self._value(value, (*key, name.value))
                if name.value in SECRET_KEYS and isinstance(value, yaml.ScalarNode):
                    self._check_comment(name, value, (*key, name.value))
        return {**merged, **own}

    def _check_comment(self, name: yaml.ScalarNode, value: yaml.ScalarNode, key: Key) -> None:
        """Says where YAML reads a part of a secret as a comment or as a mark of its own."""
        if value.style or name.end_mark.line != value.end_mark.line:
            return  # In quotes, or a block of text.
        line = self._text[name.end_mark.line] if name.end_mark.line < len(self._text) else ""
        if not value.value:
            rest = line[name.end_mark.column :].lstrip(": \t")
            if rest[:1] in MARKS:
                what = f"the value is missing: what begins with `{rest[0]}` is none to YAML"
                remedy = 'Put it in quotes; write "" for an empty one.'
                self._document.report(key, what, remedy)
            return
        rest = line[value.end_mark.column :].lstrip(" \t")
        if rest[:1] == "#" and rest[1:2].strip():
            what = "the value ends before ` #`: what follows is a comment to YAML"
            remedy = "Put the whole value in quotes, or a space after the `#` of a comment."
            # A login that is cut off would leave its first half as the address.
            if "://" in value.value and "@" in rest:
                self._document.report(key, what, remedy)
            else:
                self._document.warn(key, what, remedy)

    def _merge(self, node: yaml.Node, key: Key) -> dict[str, Any]:
        """What `<<:` brings in: a mapping, or several of which the earlier win."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Any] = {}
        for source in sources:
            value = self._value(source, key)
            if isinstance(value, dict):
                result = {**value, **result}
            else:
                self._document.report(key, "`<<` names no mapping", "Give it a mapping's alias.")
        return result

    def _sequence(self, node: yaml.SequenceNode, key: Key) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            place = (*key, index)
            self._document.lines[place] = item.start_mark.line + 1
            items.append(self._value(item, place))
        return items

    def _scalar(self, node: yaml.ScalarNode, key: Key) -> Any:  # noqa: ANN401 - plain YAML data
        try:
            value = self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError):
            self._document.report(key, "the value cannot be read", "Put it in quotes.")
            return None
        return self._expand(value, key) if isinstance(value, str) else value

    def _expand(self, text: str, key: Key) -> str:
        is_secret = bool(SECRET_KEYS.intersection(part for part in key if isinstance(part, str)))

        def substitute(match: re.Match[str]) -> str:
            if match["escaped"]:
                return match["escaped"]
            name, default = match["name"], match["default"]
            if is_secret:
                self._document.variables.add(name)
            if name in self._environment:
                return self._environment[name]
            if default is None and is_secret and match.group() != text:
                # The name may be a part of a password.
                what = "a `${...}` in the value names an environment variable that is not set"
                remedy = "Set it before the start, or write `$${` for a `${` of the value itself."
                self._document.report(key, what, remedy)
            elif default is None:
                remedy = f"Set it before the start, for example `export {name}=...`."
                self._document.report(key, f"the environment variable {name} is not set", remedy)
            return default or ""

        return VARIABLE.sub(substitute, text)


class _TooLargeError(Exception):
    """The document unfolds to more values than are read."""
