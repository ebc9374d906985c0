"""Reads XML of devices that nobody vouches for.

The standard library's tree builder expands entities that a document declares, with which a few
hundred bytes fill a memory. SOAP forbids such declarations, so a document with one is refused.
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

MOST_TEXT: Final = 1000


class UnreadableXmlError(Exception):
    """Bytes are not XML, or declare a document type."""


def parse_xml(data: bytes) -> Element:
    """The root element; names are `{NAMESPACE}NAME` as elsewhere in the standard library.

    Raises:
        UnreadableXmlError: This is not XML, or it declares a document type.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = lambda name, attributes: builder.start(
        _qualified(name), {_qualified(key): value for key, value in attributes.items()}
    )
    parser.EndElementHandler = lambda name: builder.end(_qualified(name))
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, AssertionError, LookupError, ValueError) as error:
        raise UnreadableXmlError(str(error)) from None


def text_of(element: Element | None, path: str) -> str:
    """The text of the first element of a path, one printable line; empty without one."""
    found = None if element is None else element.find(path)
    return printable("" if found is None else found.text or "")


def printable(text: str) -> str:
    """A text of a device in one line, without control characters and of bounded length."""
    line = " ".join(text.split())
    return "".join(sign for sign in line if sign.isprintable())[:MOST_TEXT]


def _qualified(name: str) -> str:
    return f"{{{name}" if "}" in name else name


def _refuse(*_: object) -> None:
    raise UnreadableXmlError("it declares a document type")
