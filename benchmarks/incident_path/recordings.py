"""Recordings with a YAML file beside each: the camera that took it, and what should be reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks.errors import BenchmarkError
from benchmarks.incident_path.case import IncidentCase
from benchmarks.incident_path.expectation import TOLERANCE_S, ExpectedIncident

SUFFIXES: Final = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm"})
DESCRIPTION: Final = ".yaml"
MUST_HAVE: Final = "see docs/benchmarks.md for an example"
MORE_SECONDS: Final = 86_400.0


class _Section(BaseModel):
    """A part of a description."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Expected(_Section):
    """One expected incident."""

    kind: str
    zone: str
    start_s: float = Field(ge=0)
    end_s: float = Field(default=MORE_SECONDS, gt=0)
    tolerance_s: float = Field(default=TOLERANCE_S, ge=0)
    asked: bool = True


class _Description(_Section):
    """The whole file."""

    camera: dict[str, Any]
    models: dict[str, Any] = Field(default_factory=dict)
    expected: tuple[_Expected, ...]


def recorded_cases(folder: Path) -> list[IncidentCase]:
    """The cases of a folder, by name of the recording.

    Raises:
        BenchmarkError: There is no such folder or no recording in it, a recording has no
            description, or a description is wrong; the message names file and key.
    """
    if not folder.is_dir():
        raise BenchmarkError(f"there is no folder {folder}; name one with recordings")
    clips = sorted(one for one in folder.iterdir() if one.suffix.lower() in SUFFIXES)
    if not clips:
        known = ", ".join(sorted(SUFFIXES))
        raise BenchmarkError(f"{folder} holds no recording; its files must end in one of {known}")
    return [_case(clip) for clip in clips]


def _case(clip: Path) -> IncidentCase:
    file = clip.with_suffix(DESCRIPTION)
    found = _read(file, clip)
    models = dict(found.models)
    if isinstance(models.get("path"), str):
        # As in a configuration, a path starts from the folder of the file.
        models["path"] = str((file.parent / Path(models["path"]).expanduser()).absolute())
    for number, one in enumerate(found.expected):
        if one.end_s <= one.start_s:
            what = f"it is not after start_s: {one.start_s:g}"
            raise BenchmarkError(f"{file}: expected[{number}].end_s: {what}")
    expected = tuple(
        ExpectedIncident(one.kind, one.zone, one.start_s, one.end_s, one.asked, one.tolerance_s)
        for one in found.expected
    )
    return IncidentCase(clip.stem, found.camera, expected, models, None, clip, str(file))


def _read(file: Path, clip: Path) -> _Description:
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        return _Description.model_validate(data)
    except OSError as error:
        raise BenchmarkError(
            f"{clip.name} needs {file.name} beside it, with the camera and what should be "
            f"reported ({error.strerror}); {MUST_HAVE}"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{file} is no YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise BenchmarkError(f"{file}: {_key(first['loc'])}: {first['msg']}; {MUST_HAVE}") from None


def _key(place: tuple[int | str, ...]) -> str:
    """As people write it: `expected[0].kind`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"
