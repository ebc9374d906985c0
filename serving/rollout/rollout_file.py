"""The rollout tables on disk: what was decided outlives the process that decided it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from pipelines.delivery.durable import make_folder, write_durably
from serving.errors import RolloutError
from serving.rollout.rollout import Rollout

FILE: Final = "rollouts.json"
_TABLES: Final = TypeAdapter(dict[str, Rollout])


def load_rollouts(state: Path) -> Mapping[str, Rollout]:
    """The tables in a state folder by model; empty where nothing was decided yet.

    Raises:
        RolloutError: The file cannot be read. Guessing would put an unwanted version into service.
    """
    path = state / FILE
    try:
        tables = _TABLES.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
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
        write_durably(path, _TABLES.dump_json(dict(tables), indent=2) + b"\n")
    except OSError as error:
        raise RolloutError(f"the rollout tables {path} cannot be written: {error}") from error
