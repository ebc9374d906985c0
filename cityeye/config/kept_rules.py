"""`KeptRules`: which sets and versions of rules a city got when it first ran them, and keeps.

A file in the city's state folder, written when the city starts or takes a changed configuration. A
newer program may have newer sets and versions: a city takes them where its configuration names
them, and never by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cityeye.errors import CommandError
from pipelines.access import write_owned_file
from pipelines.delivery import make_folder
from pipelines.rules import default_set, find_rule
from serving import OUTBOX_FILE

FILE: Final = "rules.json"
MAX_BYTES: Final = 2**20


class KeptRulesError(CommandError):
    """The file cannot be used.

    Attributes:
        what: Why, a clause.
        remedy: What to do, a sentence.
    """

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(f"{what}. {remedy}")


class _Saved(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    sets: dict[str, str]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class KeptRules:
    """What a city keeps.

    Attributes:
        sets: The rule set by task, for tasks that name neither a set nor rules.
        versions: The version by kind of rule, for rules that are named without one.
    """

    sets: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def set_of(self, task: str) -> str:
        """The set of a task that names none: the kept one, or the newest."""
        return self.sets.get(task) or default_set(task)

    def version_of(self, kind: str) -> str:
        """The version of a rule that is named without one; empty for a kind that is unknown."""
        newest = find_rule(kind)
        return self.versions.get(kind) or (newest.version if newest is not None else "")

    def with_more(self, sets: Mapping[str, str], versions: Mapping[str, str]) -> KeptRules:
        """The same and what is new; what is kept already stays."""
        return KeptRules({**sets, **self.sets}, {**versions, **self.versions})

    def write(self, state: Path) -> None:
        """Makes the file say so, where it does not.

        Raises:
            KeptRulesError: It cannot be written.
        """
        path = state / FILE
        saved = _Saved(
            sets=dict(sorted(self.sets.items())), versions=dict(sorted(self.versions.items()))
        )
        data = f"{saved.model_dump_json(indent=2)}\n".encode()
        try:
            if path.is_file() and path.read_bytes() == data:
                return
            make_folder(state)
            write_owned_file(path, data)
        except OSError as error:
            reason = (error.strerror or "it is no usable file").lower()
            what = f"{path}, which keeps the versions of this city's rules, cannot be written"
            raise KeptRulesError(
                f"{what}: {reason}", "Make room there, or give the city's user the right to."
            ) from None


EARLIER_TASKS: Final = ("traffic", "littering", "crowding")
EARLIER_KINDS: Final = (
    "traffic.congestion",
    "traffic.wrong_way",
    "littering.dropped_object",
    "crowding.density",
)
BEFORE: Final = KeptRules(
    {task: f"{task}/1" for task in EARLIER_TASKS}, dict.fromkeys(EARLIER_KINDS, "1")
)
"""What cities had whose program wrote no such file."""


def read_kept_rules(state: Path) -> KeptRules:
    """What the city of a state folder keeps; nothing where no city was ever started there.

    Raises:
        KeptRulesError: The file cannot be read.
    """
    path = state / FILE
    try:
        if path.stat().st_size > MAX_BYTES:
            raise KeptRulesError(f"{path} is too large to be what it should be", _remedy(path))
        saved = _Saved.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        # An outbox without this file is that of a program from before it was written.
        return BEFORE if any(state.glob(f"*/{OUTBOX_FILE}")) else KeptRules()
    except PermissionError:
        what = f"{path} cannot be read: permission denied"
        raise KeptRulesError(what, "Run this as the user who runs the city.") from None
    except (OSError, ValidationError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "it is damaged").lower()
        what = f"{path}, which keeps the versions of this city's rules, cannot be read: {reason}"
        raise KeptRulesError(what, _remedy(path)) from None
    return KeptRules(saved.sets, saved.versions)


def _remedy(path: Path) -> str:
    return (
        f"Put it back from a backup; or remove {path.name} and name what shall run: `rule_set:` in "
        "each task of the configuration, `version:` at each of its `rules:`."
    )
