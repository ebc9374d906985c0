"""Labels: what a network's classes are called, and what a package calls those that it keeps."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from model_tools.heads.task import Groups, each_alone
from model_tools.importing.coco import COCO_CATEGORIES, COCO_LABELS
from models import GraphError
from models.detections import plain_label

MAX_NAMES_TEXT = 256 * 1024
MAX_CLASSES = 10_000
NEAR = 3


@dataclass(frozen=True, slots=True)
class KnownClasses:
    """The network's classes.

    Attributes:
        names: In the network's order; empty where a class has no name and is not used.
        source: Where they come from.
        notices: What the person should know about that.
    """

    names: tuple[str, ...]
    source: str
    notices: tuple[str, ...] = ()


def known_classes(
    model: str,
    counts: Sequence[int],
    labels: Sequence[str] | None,
    metadata: Mapping[str, str],
) -> KnownClasses:
    """Finds the names of the network's classes.

    Args:
        model: Who it is, for errors.
        counts: How many classes the network may have; empty if that cannot be seen.
        labels: What the person gave.
        metadata: What the exporter wrote beside the graph.

    Raises:
        GraphError: There are no names, or as many as the output has not.
    """
    if labels is not None:
        found = KnownClasses(tuple(labels), "the given labels")
    elif "names" in metadata:
        found = KnownClasses(names_in(model, metadata["names"]), "the file's own names")
    elif not counts or {len(COCO_LABELS), len(COCO_CATEGORIES)} & set(counts):
        assumed = "the file does not name its classes: they are taken to be the 80 of COCO"
        found = KnownClasses(COCO_LABELS, "COCO, as the file names none", (assumed,))
    else:
        raise GraphError(
            model,
            f"the file does not name its {counts[0]} classes; give --labels, one name per line",
        )
    if not counts or len(found.names) in counts:
        return found
    if found.names == COCO_LABELS and len(COCO_CATEGORIES) in counts:
        return replace(found, names=COCO_CATEGORIES)
    raise GraphError(
        model,
        f"the network has {counts[0]} classes, but {found.source} are {len(found.names)}; "
        "give --labels with one name per class, in the network's order",
    )


def names_in(model: str, text: str) -> tuple[str, ...]:
    """Class names from Ultralytics' metadata: a Python literal, `{0: 'person', 1: …}` or a list.

    Raises:
        GraphError: It is none.
    """
    refusal = GraphError(model, "the class names in the file are unreadable; give --labels")
    if len(text) > MAX_NAMES_TEXT:
        raise refusal
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise refusal from error
    if isinstance(value, dict):
        if sorted(value, key=str) != sorted(range(len(value)), key=str):
            raise refusal
        value = [value[index] for index in range(len(value))]
    if not isinstance(value, list | tuple) or not 0 < len(value) <= MAX_CLASSES:
        raise refusal
    return tuple(" ".join(str(name).split()) for name in value)


def grouped(
    model: str, known: Sequence[str], mapping: Mapping[str, str | None] | None
) -> tuple[tuple[str, ...], Groups]:
    """The package's labels, and the network classes that make each of them.

    Raises:
        GraphError: A class is named twice, unknown, or nothing is kept.
    """
    if mapping is None:
        kept = [index for index, name in enumerate(known) if name]
        repeated = sorted({known[one] for one in kept if list(known).count(known[one]) > 1})
        if repeated:
            raise GraphError(
                model, f"the classes repeat {', '.join(repeated)}; give --labels or --map"
            )
        return tuple(known[one] for one in kept), each_alone(tuple(kept))
    groups: dict[str, list[int]] = {}
    for foreign, ours in mapping.items():
        members = _ids(model, foreign, known)
        if ours is not None:
            groups.setdefault(plain_label(ours), []).extend(members)
    if not groups or "" in groups:
        raise GraphError(model, "the map keeps no class; write lines like `car: car`")
    return tuple(groups), tuple(tuple(members) for members in groups.values())


def _ids(model: str, foreign: str, known: Sequence[str]) -> list[int]:
    """Places of a class name, spelled as the network has it or plainly."""
    exact = [index for index, name in enumerate(known) if name == foreign]
    found = exact or [
        i for i, name in enumerate(known) if plain_label(name) == plain_label(foreign)
    ]
    if found:
        return found
    spelled = {plain_label(name): name for name in known if name}
    near = [spelled[one] for one in difflib.get_close_matches(plain_label(foreign), spelled, NEAR)]
    hint = (
        f"; did you mean {' or '.join(near)}?"
        if near
        else f"; it has {_some(tuple(spelled.values()))}"
    )
    raise GraphError(model, f"the map names {foreign}, which is no class of the network{hint}")


def _some(names: Sequence[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
