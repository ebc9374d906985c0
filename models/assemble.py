"""Assembling a package: network, labels and facts in, a complete package directory out.

    python -m models.assemble --onnx yolox_nano.onnx --head yolox --size 640x384 \
        --labels coco.txt --keep person,car --name street --version 1 --out packages

The written package is loaded once before the command says that it succeeded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import yaml

from models.errors import GraphError, ModelError
from models.graph.contract import ContractViolation, read_model
from models.graph.heads import HeadName, HeadTask
from models.graph.selection import Selection
from models.graph.wrapping import INPUT_NAME, OUTPUT_NAME, WrappedGraph, wrap
from models.package import (
    CARD_FILE,
    LABELS_FILE,
    MANIFEST_FILE,
    ONNX_FILE,
    InputTensor,
    Manifest,
    ModelPackage,
    OutputTensor,
    Source,
    Thresholds,
    sha256_of,
)

DEFAULT_MAX_BATCH = 16


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """What a package says about itself, besides what its graph shows."""

    name: str
    version: str
    tasks: tuple[str, ...]
    labels: tuple[str, ...]
    threshold: float
    licence: str
    source: Source
    card: str
    max_batch: int = DEFAULT_MAX_BATCH
    measured: Mapping[str, float] = field(default_factory=dict)


def write_package(
    out: Path, wrapped: WrappedGraph, size: tuple[int, int], facts: PackageFacts
) -> ModelPackage:
    """Writes `<out>/<name>/<version>/` and loads it.

    Raises:
        PackageError: The result does not pass its own checks.
    """
    directory = out / facts.name / facts.version
    directory.mkdir(parents=True, exist_ok=True)
    onnx.save_model(wrapped.model, str(directory / ONNX_FILE))
    manifest = Manifest(
        name=facts.name,
        version=facts.version,
        tasks=facts.tasks,
        input=InputTensor(
            name=INPUT_NAME,
            width=size[0],
            height=size[1],
            dynamic_batch=wrapped.dynamic_batch,
            max_batch=facts.max_batch if wrapped.dynamic_batch else 1,
        ),
        output=OutputTensor(name=OUTPUT_NAME, rows=wrapped.rows),
        thresholds=Thresholds(default=facts.threshold),
        sha256=sha256_of(directory / ONNX_FILE),
        opset=wrapped.opset,
        licence=facts.licence,
        source=facts.source,
        measured=dict(facts.measured),
    )
    text = yaml.safe_dump(manifest.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    (directory / MANIFEST_FILE).write_text(text, encoding="utf-8")
    (directory / LABELS_FILE).write_text("\n".join(facts.labels) + "\n", encoding="utf-8")
    (directory / CARD_FILE).write_text(facts.card, encoding="utf-8")
    return ModelPackage.load(directory)


def assemble(options: argparse.Namespace) -> ModelPackage:
    """Wraps the network that the command line names and writes its package."""
    lines = options.labels.read_text(encoding="utf-8").splitlines()
    known = tuple(line.strip() for line in lines if line.strip())
    kept = tuple(options.keep.split(",")) if options.keep else known
    unknown = sorted(set(kept) - set(known))
    if unknown:
        raise GraphError(options.name, f"{options.labels} has no class {', '.join(unknown)}")
    task = HeadTask(
        size=options.size,
        classes=len(known),
        kept=tuple(known.index(label) for label in kept),
        selection=Selection(rows=options.rows, overlap=options.overlap),
    )
    wrapped = wrap(read_model(options.onnx), _head(options.head), task)
    facts = PackageFacts(
        name=options.name,
        version=options.version,
        tasks=tuple(options.tasks.split(",")) if options.tasks else (options.name,),
        labels=kept,
        threshold=options.threshold,
        licence=options.licence,
        source=Source(architecture=options.onnx.name, training_data=options.training_data),
        card=_card(options, kept),
        max_batch=options.max_batch,
    )
    return write_package(options.out, wrapped, options.size, facts)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        package = assemble(options)
    except (ModelError, ContractViolation, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{package} written to {package.directory}\n")
    return 0


def _head(name: str) -> HeadName:
    heads: dict[str, HeadName] = {"cityeye": "cityeye", "yolox": "yolox", "detr": "detr"}
    return heads[name]


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def _card(options: argparse.Namespace, labels: tuple[str, ...]) -> str:
    return (
        f"# {options.name} {options.version}\n\n"
        f"Wrapped from `{options.onnx.name}` with head `{options.head}`.\n\n"
        f"Classes: {', '.join(labels)}.\n\nLicence of the weights: {options.licence}.\n\n"
        f"Training data: {options.training_data}.\n\nNot measured by this project.\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.assemble", description=__doc__)
    parser.add_argument("--onnx", type=Path, required=True, help="the exported network")
    parser.add_argument("--head", choices=("cityeye", "yolox", "detr"), required=True)
    parser.add_argument("--size", type=_size, default=(640, 384), help="input, e.g. 640x384")
    parser.add_argument("--labels", type=Path, required=True, help="one class name per line")
    parser.add_argument("--keep", default="", help="classes to keep, comma-separated; default all")
    parser.add_argument("--name", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--tasks", default="", help="comma-separated; default the name")
    parser.add_argument("--out", type=Path, required=True, help="root of the model repository")
    parser.add_argument("--threshold", type=float, default=0.4)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--overlap", type=float, default=0.6)
    parser.add_argument("--max-batch", type=int, default=DEFAULT_MAX_BATCH)
    parser.add_argument("--licence", default="unknown")
    parser.add_argument("--training-data", default="unknown")
    return parser


if __name__ == "__main__":
    sys.exit(main())
