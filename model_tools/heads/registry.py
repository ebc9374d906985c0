"""The registry: one line per family; the first head that recognises a network is its head.

Modules are imported when their heads are needed, so that a command line can name them at once.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, WithJsonSchema

if TYPE_CHECKING:
    from model_tools.heads.head import NetworkHead

FAMILIES: dict[str, tuple[str, ...]] = {
    "packaged": ("packaged",),
    "detr": ("detr", "detr-logits"),
    "rfdetr": ("rf-detr",),
    "rtdetr": ("rtdetr",),
    "nanodet": ("nanodet",),
    "yolov5": ("yolov5",),
    "yolox": ("yolox-decoded", "yolox"),
    "yolo": ("yolo-e2e", "yolo"),
    "cityeye": ("cityeye",),
}
"""Module of this package → names of its heads, in the order in which they are tried."""
HEAD_NAMES = tuple(name for names in FAMILIES.values() for name in names)


@cache
def heads() -> dict[str, NetworkHead]:
    """Every head by name, in the order in which they are tried."""
    found: dict[str, NetworkHead] = {}
    for module, names in FAMILIES.items():
        made: tuple[NetworkHead, ...] = importlib.import_module(f"model_tools.heads.{module}").HEADS
        if tuple(head.name for head in made) != names:
            raise LookupError(f"model_tools.heads.{module} has other heads than the registry says")
        found |= {head.name: head for head in made}
    return found


def known_head(name: str) -> str:
    """The name itself.

    Raises:
        ValueError: No head has it.
    """
    if name not in HEAD_NAMES:
        raise ValueError(f"there is no head {name}; choose one of {', '.join(HEAD_NAMES)}")
    return name


HeadName = Annotated[
    str, AfterValidator(known_head), WithJsonSchema({"type": "string", "enum": list(HEAD_NAMES)})
]
"""The name of a head, for pydantic models and schemas of an API."""
