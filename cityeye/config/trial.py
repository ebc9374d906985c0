"""Rules to be tried on a recording, from a file with only rules.

A file with only rules says what a camera says of its places and tasks: `zones`, `lines`,
`directions`, `ground`, `masks`, and under `tasks` for each task `zones`, `lines`, `schedule`,
`rule_set` and `rules`. What it leaves out of places is as the camera has it; a task that it leaves
out has no rules. Models, thresholds and rates are always those of the camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from cityeye.config.catalogue import Catalogue
from cityeye.config.document import Document, read_document
from cityeye.config.mistakes import report_mistakes
from cityeye.config.plans import camera_plans
from cityeye.config.problem import ConfigurationError, Key, choice
from cityeye.config.references import check_references
from cityeye.config.schema import Settings
from pipelines import CameraPlan

NOWHERE: Final = "rtsp://recording.invalid/"
"""In place of an address: whoever has such a plan has a recording."""

PLACES: Final = ("zones", "lines", "directions", "ground", "masks", "measurements")
OF_RULES: Final = ("zones", "lines", "schedule", "rule_set", "rules")
OF_CAMERA: Final = ("model", "fps", "thresholds", "priority", "zones", "lines")
CAMERA: Final[Key] = ("cameras", 0)


@dataclass(frozen=True, slots=True)
class TrialCamera:
    """The camera whose rules are replaced.

    Attributes:
        written: It as a configuration has it.
        city: The section `city` of that.
        catalogue: The rules and models that it may name.
        folder: Where relative paths start from.
    """

    written: Mapping[str, Any]
    city: Mapping[str, Any]
    catalogue: Catalogue
    folder: Path

    def with_rules(self, file: Path, environment: Mapping[str, str]) -> CameraPlan:
        """The camera with the rules of a file with only rules.

        Raises:
            ConfigurationError: The file has mistakes.
        """
        document = read_document(file, environment)
        if document.problems:
            raise ConfigurationError(file, document.problems)
        self._check_keys(document)
        if document.problems:
            raise ConfigurationError(file, document.problems)
        document.data = self._merged(document.data)
        document.written = {(*CAMERA, *key): key for key in document.lines}
        document.lines = {(*CAMERA, *key): line for key, line in document.lines.items()}
        settings = None
        try:
            settings = Settings.model_validate(document.data, context={"base": self.folder})
        except ValidationError as error:
            report_mistakes(document, error, Settings)
        check_references(document, self.catalogue)
        if document.problems or settings is None:
            raise ConfigurationError(file, _shortened(document))
        (plan,) = camera_plans(settings, self.catalogue)
        return plan

    def _check_keys(self, document: Document) -> None:
        for key in document.data:
            if key not in (*PLACES, "tasks"):
                remedy = choice(str(key), (*PLACES, "tasks"), "keys of a file with only rules")
                document.report((key,), "the key is unknown", remedy)
        tasks = document.data.get("tasks")
        if not isinstance(tasks, dict) or not tasks:
            what = "there are no `tasks` with rules, and no `cameras`"
            document.report(("tasks",), what, "Name tasks with `rules:`; see docs/replay.md.")
            return
        own = self.written["tasks"]
        for task, entry in tasks.items():
            if task not in own:
                what = "the camera has no such task"
                document.report(("tasks", task), what, choice(str(task), own, "tasks"))
            if not isinstance(entry, dict):
                what = "it is not a mapping of keys to values"
                document.report(("tasks", task), what, f"Give one of {', '.join(OF_RULES)}.")
                continue
            for key in entry:
                if key not in OF_RULES:
                    what = "the key has no place beside rules that are tried"
                    remedy = choice(str(key), OF_RULES, "keys")
                    document.report(("tasks", task, key), what, remedy)

    def _merged(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration of the camera alone, with what the file says."""
        own = self.written
        tasks = {
            task: {
                **{key: value for key, value in own["tasks"][task].items() if key in OF_CAMERA},
                **entry,
            }
            for task, entry in said["tasks"].items()
        }
        places = {key: own[key] for key in PLACES if key in own}
        places |= {key: said[key] for key in PLACES if key in said}
        camera = {"id": own["id"], "source": NOWHERE, **places, "tasks": tasks}
        return {
            "city": dict(self.city),
            "cameras": [camera],
            "models": {},
            "keyframes": {"folder": "keyframes"},
            "hub": {},
        }


def with_rules_of(base: CameraPlan, other: CameraPlan) -> CameraPlan:
    """A camera with the rules of another plan of it; tasks that this one leaves out have none."""
    rules = {task.task: task.rules for task in other.tasks}
    tasks = tuple(replace(task, rules=rules.get(task.task, ())) for task in base.tasks)
    return replace(base, tasks=tasks, measurements=other.measurements)


def _shortened(document: Document) -> list[Any]:
    """The problems, with keys as they stand in the file."""
    prefix = "cameras[0]."
    return [replace(one, key=one.key.removeprefix(prefix)) for one in document.problems]
