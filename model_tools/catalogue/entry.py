"""`CatalogueEntry`: a public detector, where its file is, and how it is known to be that one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from model_tools.heads import HeadName
from models import DownloadError, Thresholds

FILE = Path(__file__).with_name("catalogue.yaml")
LARGEST_BYTES = 300_000_000
"""Of a file whose size the catalogue does not know."""

_BLOCK = 1 << 20
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
GitBlob = Annotated[str, Field(pattern="^[0-9a-f]{40}$")]


class CatalogueEntry(BaseModel):
    """One detector of the catalogue.

    Attributes:
        name: As in `cityeye models fetch NAME`, and of the package.
        file: Name of its file, also in a folder of files that somebody brought along.
        address: Where it is, pinned to a commit.
        blob: Git blob id of its content.
        size: Bytes; None where nobody here has had the file.
        sha256: Of its content; None likewise.
        licence: Of the weights.
        head: Family of its output.
        good_for: What it is good for, in a few words.
        thresholds: Its confidence thresholds, where they were measured.
        thresholds_from: How they were measured, a sentence.
        tried: Whether it was downloaded, imported and admitted before it was listed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    file: str
    address: str
    blob: GitBlob
    size: Annotated[int, Field(gt=0)] | None = None
    sha256: Sha256 | None = None
    licence: str
    head: HeadName
    good_for: str
    thresholds: Thresholds | None = None
    thresholds_from: str = ""
    tried: bool = True

    @model_validator(mode="after")
    def _measured(self) -> CatalogueEntry:
        if (self.thresholds is None) != (not self.thresholds_from):
            raise ValueError(f"{self.name}: thresholds and how they were measured go together")
        return self

    @property
    def most_bytes(self) -> int:
        """A longer file is another one."""
        return self.size or LARGEST_BYTES

    def check(self, path: Path) -> None:
        """Makes certain that a file is the one that is meant.

        Raises:
            DownloadError: It is another one, or cannot be read.
        """
        try:
            size = path.stat().st_size
            found, blob = hashlib.sha256(), hashlib.sha1(usedforsecurity=False)
            blob.update(f"blob {size}\0".encode())
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    found.update(block)
                    blob.update(block)
        except OSError as error:
            raise DownloadError(self.name, f"{path} cannot be read: {error.strerror}") from None
        if self.sha256 is not None and found.hexdigest() != self.sha256:
            wanted, there = f"sha256 {self.sha256}", found.hexdigest()
        elif blob.hexdigest() != self.blob:
            wanted, there = f"git blob id {self.blob}", blob.hexdigest()
        else:
            return
        raise DownloadError(
            self.name,
            f"{path} is not the file of the catalogue: it should have {wanted} and has {there}",
        )


@cache
def catalogue() -> Mapping[str, CatalogueEntry]:
    """All detectors by name, in the order in which they are listed."""
    entries = TypeAdapter(list[CatalogueEntry]).validate_python(
        yaml.safe_load(FILE.read_text(encoding="utf-8"))
    )
    return {entry.name: entry for entry in entries}
