"""The child's side: confine the process, call one function, send its steps and its result.

Every message is one line of JSON on a pipe of its own: `{"step", "seconds"}`, then `{"result"}` or
`{"failure", "kind"}`. What libraries print goes elsewhere.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from model_tools.sandbox.confinement import SandboxLimits, confine
from models import ModelError
from models.graph import ContractViolation

OUT_OF_MEMORY = ("allocate memory", "bad_alloc", "bad allocation", "memoryerror")
"""How libraries say, in lower case, that there is no memory left."""


Announce = Callable[..., None]
"""Begins a step: `announce(name, seconds=None)` with its time limit, the usual one if None."""


def main(order: Mapping[str, Any], pipe: int) -> None:
    """Does what the order says; returns when the last message is written."""
    os.set_inheritable(pipe, False)
    with os.fdopen(pipe, "w", encoding="utf-8") as stream:

        def send(message: Mapping[str, object]) -> None:
            stream.write(json.dumps(message, allow_nan=False) + "\n")
            stream.flush()

        def announce(step: str, seconds: float | None = None) -> None:
            send({"step": step, "seconds": seconds})

        writable = [Path.cwd(), *(Path(folder) for folder in order["writable"])]
        confine(SandboxLimits(**order["limits"]), writable, gpu=order["gpu"])
        try:
            module, _, name = order["function"].partition(":")
            function = getattr(importlib.import_module(module), name)
            send({"result": function(order["arguments"], announce)})
        except Exception as error:
            send(_failure(error))


def is_out_of_memory(error: Exception) -> bool:
    """Whether a library says with it that there is no memory left."""
    text = f"{type(error).__name__} {error}".lower()
    return any(sign in text for sign in OUT_OF_MEMORY)


def sentence_of(error: Exception) -> str:
    """What an error says in one line, without the model's name and with what to do."""
    text = " ".join(str(error).split())
    if isinstance(error, ModelError):
        return text.removeprefix(f"model {error.model}: ")
    remedy = getattr(error, "remedy", "")
    return f"{text}; {remedy}" if remedy else text


def _failure(error: Exception) -> dict[str, str]:
    text = sentence_of(error)
    if is_out_of_memory(error):
        return {"failure": text, "kind": "memory"}
    if isinstance(error, ModelError | ContractViolation):
        return {"failure": text, "kind": "refused"}
    name = type(error).__name__
    return {"failure": f"{name}: {text}" if text else name, "kind": "unexpected"}
