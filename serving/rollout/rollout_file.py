"""The rollout tables on disk: what was decided outlives the process that decided it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from pipelines.delivery.durable import make_folder, write_durably
from serving.errors import RolloutError
from serving.rollout.rollout import Rollout

FILE: Final = "rollouts.json"
VERSION: Final = 2
"""Version 1 was the mapping of tables alone."""
_TABLES: Final = TypeAdapter(Mapping[str, Rollout])
_TREE: Final = TypeAdapter(dict[str, Any])


def load_rollouts(state: Path) -> Mapping[str, Rollout]:
    """The tables in a state folder by model; empty where nothing was decided yet.

    Raises:
        RolloutError: The file cannot be read. Guessing would put an unwanted version into service.
    """
    path = state / FILE
    try:
        written = _TREE.validate_json(path.read_bytes())
        version = written.get("schema_version")
        if isinstance(version, int) and version > VERSION:
            raise RolloutError(
                f"the rollout tables {path} have schema version {version}, this program knows "
                f"{VERSION}; run the program that wrote them, or remove the file"
            )
        is_first = not isinstance(version, int)
        tables = _TABLES.validate_python(written if is_first else written["rollouts"])
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError, KeyError) as error:
        problem = str(error).splitlines()[0]
        raise RolloutError(
            f"the rollout tables {path} cannot be read ({problem}); correct the file, or remove it "
            "to start with the newest admitted version of every model"
        ) from error
    return tables


def save_rollouts(state: Path, tables: Mapping[str, Rollout]) -> None:
    """Writes all tables, whole or not at all.

    Raises:
        RolloutError: The disk refuses.
    """
    path = state / FILE
    try:
        make_folder(state)
        written = {"schema_version": VERSION, "rollouts": _TABLES.dump_python(tables, mode="json")}
        write_durably(path, json.dumps(written, indent=2).encode() + b"\n")
    except OSError as error:
        raise RolloutError(f"the rollout tables {path} cannot be written: {error}") from error
