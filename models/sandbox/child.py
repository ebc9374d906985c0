"""The child's side: confine the process, call one function, tell its steps and its result.

Every message is one line of JSON on a pipe of its own: `{"step", "seconds"}`, then `{"result"}` or
`{"failure", "kind"}`. What libraries print goes elsewhere.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from models.errors import ModelError
from models.sandbox.confinement import confine
from models.sandbox.limits import Limits

OUT_OF_MEMORY = ("allocate memory", "bad_alloc", "bad allocation", "memoryerror")
"""How libraries say, in lower case, that there is no memory left."""


class Tell(Protocol):
    """Announces what is being done next."""

    def __call__(self, step: str, seconds: float | None = None) -> None:
        """Begins a step; `seconds` is its wall-clock limit, the usual one if None."""


def main(order: Mapping[str, Any], pipe: int) -> None:
    """Does what the order says; returns when the last message is written."""
    os.set_inheritable(pipe, False)
    with os.fdopen(pipe, "w", encoding="utf-8") as stream:

        def say(message: Mapping[str, object]) -> None:
            stream.write(json.dumps(message, allow_nan=False) + "\n")
            stream.flush()

        def tell(step: str, seconds: float | None = None) -> None:
            say({"step": step, "seconds": seconds})

        writable = [Path.cwd(), *(Path(folder) for folder in order["writable"])]
        confine(Limits(**order["limits"]), writable, gpu=order["gpu"])
        try:
            module, _, name = order["function"].partition(":")
            function = getattr(importlib.import_module(module), name)
            say({"result": function(order["arguments"], tell)})
        except Exception as error:
            say(_failure(error))


def _failure(error: Exception) -> dict[str, str]:
    text = " ".join(str(error).split())
    lowered = f"{type(error).__name__} {text}".lower()
    if any(sign in lowered for sign in OUT_OF_MEMORY):
        return {"failure": text, "kind": "memory"}
    remedy = getattr(error, "remedy", "")
    if remedy:
        return {"failure": f"{text}; {remedy}", "kind": "refused"}
    if isinstance(error, ModelError):
        return {"failure": text.removeprefix(f"model {error.model}: "), "kind": "refused"}
    name = type(error).__name__
    return {"failure": f"{name}: {text}" if text else name, "kind": "unexpected"}
