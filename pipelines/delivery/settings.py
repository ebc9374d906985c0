"""What all settings of sinks and keyframe stores have in common.

They are checked where they are read, travel to any process as plain values, and open what they
describe. A validator that refuses a value says `WHAT; REMEDY` and never repeats a secret.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

Seconds = Annotated[float, Field(gt=0, le=3600)]


class DeliverySettings(BaseModel):
    """Base of all settings. Its `repr` shows no secret."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True
    )


def base_folder(info: ValidationInfo) -> Path:
    """The folder that relative paths start from: the validation context's `base`."""
    folder = (info.context or {}).get("base")
    return folder if isinstance(folder, Path) else Path.cwd()


def expand_home(path: Path) -> Path:
    """A path with the home folder for `~`; as it is where `~NAME` is no user of this machine."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def absolute_path(path: Path, info: ValidationInfo) -> Path:
    """A path relative to the base folder, made absolute."""
    return (base_folder(info) / expand_home(path)).absolute()


FilePath = Annotated[Path, AfterValidator(absolute_path)]

CaCerts = Annotated[
    FilePath | None,
    Field(
        description="a file of certificate authorities, instead of the system's",
        examples=["city-ca.pem"],
    ),
]
ConnectTimeout = Annotated[
    Seconds, Field(description="seconds that connecting may take", examples=[5])
]
ReadTimeout = Annotated[
    Seconds, Field(description="seconds without a byte of the answer", examples=[15])
]
