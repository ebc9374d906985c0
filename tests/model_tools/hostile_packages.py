"""Hostile and broken packages: a good one, and one thing about it that is not as it must be."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import yaml
from onnx import ModelProto

from models.golden import GoldenSet
from models.package import sha256_of
from tests.model_tools.hostile_graphs import Writer, good_rows, shown
from tests.models.tiny import LABELS, random_images, tiny_package, with_golden

IMAGES = 3
BOMB = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x]"]
    + [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in pairwise("abcdefghi")]
)
Spoil = Callable[[Path], object]


def package_of(root: Path, model: ModelProto | bytes, name: str = "tiny") -> Path:
    """A package in which everything fits the graph, as far as anything can; its folder."""
    directory = tiny_package(root, name).directory
    content = model if isinstance(model, bytes) else model.SerializeToString()
    (directory / "model.onnx").write_bytes(content)
    opset = 17
    if isinstance(model, ModelProto) and model.opset_import:
        opset = max(model.opset_import[0].version, 13)
    rows = np.repeat(good_rows(), IMAGES, axis=0)
    GoldenSet(random_images(IMAGES), rows).save(directory / "golden.npz")
    describe(directory, opset=opset)
    return directory


def good_package(root: Path, name: str = "tiny") -> Path:
    return package_of(root, shown(good_rows()), name)


def network_package(root: Path, name: str = "tiny") -> Path:
    """A package around a real, wrapped network; its folder."""
    return with_golden(tiny_package(root, name)).directory


def describe(directory: Path, **changes: object) -> None:
    """Changes the manifest, which tells the checksums that the files have."""
    path = directory / "model.yaml"
    document = yaml.safe_load(path.read_text())
    document["sha256"] = sha256_of(directory / "model.onnx")
    if (directory / "golden.npz").is_file():
        document["golden"] = sha256_of(directory / "golden.npz")
    document.update(changes)
    path.write_text(yaml.safe_dump(document))


def write(directory: Path, name: str, content: str) -> None:
    (directory / name).write_text(content)


def garbled_golden(directory: Path) -> None:
    write(directory, "golden.npz", "nonsense")
    describe(directory)


def link(directory: Path, name: str) -> None:
    """The file lies outside the repository, and a link to it where it should be."""
    elsewhere = directory.parents[2] / f"elsewhere-{name}"
    (directory / name).rename(elsewhere)
    (directory / name).symlink_to(elsewhere)


def link_folder(directory: Path) -> None:
    elsewhere = directory.parents[2] / "elsewhere" / "tiny"
    elsewhere.mkdir(parents=True)
    directory.rename(elsewhere / directory.name)
    directory.symlink_to(elsewhere / directory.name)


def golden(directory: Path, images: np.ndarray, rows: np.ndarray) -> None:
    np.savez(directory / "golden.npz", pictures=images, rows=rows)
    describe(directory)


def pickled_golden(directory: Path) -> None:
    stream = io.BytesIO()
    objects = np.array([Writer(str(directory / "unpickled"))], object)
    np.save(stream, objects, allow_pickle=True)
    with zipfile.ZipFile(directory / "golden.npz", "w") as archive:
        archive.writestr("pictures.npy", stream.getvalue())
        archive.writestr("rows.npy", stream.getvalue())
    describe(directory)


def golden_rows(directory: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    rows = change(np.repeat(good_rows(), IMAGES, axis=0))
    golden(directory, images=random_images(IMAGES), rows=rows.astype(np.float32))


def shuffled(rows: np.ndarray) -> np.ndarray:
    rows[:, :8, 5] = (rows[:, :8, 5] + 1) % len(LABELS)
    return rows


def enlarge(directory: Path, name: str, size: int) -> None:
    with (directory / name).open("r+b") as stream:
        stream.truncate(size)


def queue(directory: Path, name: str) -> None:
    """A named pipe: whoever opens it waits for ever."""
    (directory / name).unlink()
    os.mkfifo(directory / name)


PACKAGES: dict[str, tuple[Spoil, str]] = {
    "wrong sha": (
        lambda it: describe(it, sha256="0" * 64),
        r"has sha256 \w+…, the manifest says 000000000000…",
    ),
    "linked graph": (lambda it: link(it, "model.onnx"), r"model\.onnx: is a symbolic link"),
    "linked labels": (lambda it: link(it, "labels.txt"), r"labels\.txt: is a symbolic link"),
    "linked golden images": (lambda it: link(it, "golden.npz"), r"golden\.npz: is a symbolic"),
    "linked folder": (link_folder, "tiny/1: is a symbolic link"),
    "graph that is a pipe": (lambda it: queue(it, "model.onnx"), r"model\.onnx: is missing"),
    "manifest that is a pipe": (lambda it: queue(it, "model.yaml"), r"model\.yaml: is missing"),
    "graph of a gigabyte": (
        lambda it: enlarge(it, "model.onnx", 1 << 30),
        "has 1073741824 bytes, more than 536870912",
    ),
    "name with traversal": (
        lambda it: describe(it, name="../../escape"),
        "name: String should match pattern",
    ),
    "version with traversal": (
        lambda it: describe(it, version="../1"),
        "version: String should match pattern",
    ),
    "another name": (lambda it: describe(it, name="other"), "describes other/1 but lies in tiny/1"),
    "yaml bomb": (lambda it: write(it, "model.yaml", BOMB), "uses an alias; write the value out"),
    "deep yaml": (lambda it: write(it, "model.yaml", "[" * 9000), "nests more than 8 deep"),
    "yaml that is code": (
        lambda it: write(it, "model.yaml", "name: !!python/object/apply:os.system ['true']"),
        "could not determine a constructor",
    ),
    "yaml with an impossible date": (
        lambda it: write(it, "model.yaml", "name: 2026-99-99"),
        r"model\.yaml: is not YAML",
    ),
    "too many labels": (
        lambda it: write(it, "labels.txt", "\n".join(f"{one:x}" for one in range(40_000))),
        "names 40000 classes, more than 10000",
    ),
    "fewer labels": (
        lambda it: write(it, "labels.txt", "person\ncar\n"),
        "class 2, labels.txt names 2 classes",
    ),
    "no golden images": (
        lambda it: describe(it, golden=""),
        "names no golden images.*import the model again",
    ),
    "golden images that are missing": (
        lambda it: (it / "golden.npz").unlink(),
        r"golden\.npz: is missing",
    ),
    "golden images that were exchanged": (
        lambda it: GoldenSet(random_images(1), good_rows()).save(it / "golden.npz"),
        r"golden\.npz: has sha256 \w+…, the manifest says",
    ),
    "golden objects": (pickled_golden, r"pictures\.npy holds object values, not uint8"),
    "golden text": (
        garbled_golden,
        "holds no arrays",
    ),
    "golden images of another size": (
        lambda it: golden(
            it, images=np.zeros((2, 8, 8, 3), np.uint8), rows=np.zeros((2, 20, 6), np.float32)
        ),
        r"holds images \(2, 8, 8, 3\)",
    ),
    "golden images that show nothing": (
        lambda it: golden_rows(it, lambda rows: rows * 0),
        "in which nothing was found",
    ),
    "golden nonsense": (
        lambda it: golden_rows(it, shuffled),
        "does not give the golden rows: image 0: ",
    ),
}
"""How a good package is spoiled, and a pattern of the refusal."""
