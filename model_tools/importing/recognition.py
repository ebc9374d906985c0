"""Recognition: which head a network has, by the shapes, names and operators of its outputs.

A wrong guess would give plausible nonsense, so what is not clear is a sentence that says what was
seen and which `--head` to choose from.
"""

from __future__ import annotations

from model_tools.graph.exported import Exported, shown_shape
from model_tools.heads.head import NetworkHead
from model_tools.heads.registry import HEAD_NAMES, heads
from models import GraphError
from models.graph import dimensions

OTHER_TASKS = {
    "segment": "masks",
    "pose": "key points",
    "obb": "rotated boxes",
    "classify": "whole images",
    "semantic": "maps",
    "depth": "distances",
}


def recognised(model: str, exported: Exported) -> NetworkHead:
    """The head of a network.

    Raises:
        GraphError: It is none that is known, or more than one would do.
    """
    _refuse_other_tasks(model, exported)
    for head in heads().values():
        if head.recognise(exported):
            return head
    possible = [head for head in heads().values() if head.may_be(exported)]
    seen = f"an output of shape {shown_shape(dimensions(exported.first_output))}"
    if not possible:
        raise GraphError(
            model,
            f"has {seen} that fits no known head ({exported.described()}); masks, key points and "
            "maps are not supported: give --head if you know it, or export a detector with one of "
            f"these heads: {', '.join(HEAD_NAMES)}",
        )
    choices = [f"--head {head.name} for {head.choose_for}" for head in possible]
    given = f"{', '.join(choices[:-1])} or {choices[-1]}" if choices[:-1] else choices[-1]
    raise GraphError(model, f"has {seen}, which may be one of several heads; give {given}")


def _refuse_other_tasks(model: str, exported: Exported) -> None:
    task = exported.metadata.get("task", "detect")
    if task in OTHER_TASKS:
        raise GraphError(
            model,
            f"is an Ultralytics export for the task {task}, which is about {OTHER_TASKS[task]}; "
            "export a network of the task detect",
        )
