"""int8 versions of the built-in packages, each measured against the fp32 one that it is made from.

    python -m simulation.training.lowered --out models/builtin

Ranges are chosen on drawn images of training seeds, accuracy is measured on those of evaluation
seeds, which neither the network nor its ranges have seen. What is written lies beside the fp32
version, as `NAME/1+int8`, and is admitted like any other package.
"""

from __future__ import annotations

import argparse
import logging
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from model_tools.admission import admit, fingerprint
from model_tools.importing import TIMES_FP32, ImageBatch, lowered, write_texts
from model_tools.precision import Fidelity, fidelity
from models import Detector, ModelError, ModelPackage, ModelRepository
from simulation.scenes import LABELS, TRAINING_SEEDS, Sample, render_samples
from simulation.training.__main__ import BLOCK, blocks_showing, evaluation_images
from simulation.training.card import Measured
from simulation.training.measuring import measure
from simulation.training.recipe import RECIPES, Recipe, recipe_named

logger = logging.getLogger(__name__)

PRECISION: Final = "int8"
CALIBRATION_IMAGES: Final = 96
CALIBRATION_PER_VIEW: Final = 4
EVALUATION_IMAGES: Final = 480
COMPARED_IMAGES: Final = 96
PAIRS: Final = 15
PAIR_RUNS: Final = 25
"""Runs of each version in one pair: about a quarter of a second."""


@dataclass(frozen=True, slots=True)
class LoweredFacts:
    """What an int8 version is against the fp32 one.

    Attributes:
        fp32: What the version achieves that it was made from, on the same images.
        int8: What it achieves.
        close: How near its results are to those of fp32.
        times: Images per second by those of fp32, pair by pair, on one thread.
    """

    fp32: Measured
    int8: Measured
    close: Fidelity
    times: tuple[float, ...]

    @property
    def as_measured(self) -> dict[str, float]:
        """Flat numbers for the manifest."""
        before, after = self.fp32.figures["map50"], self.int8.figures["map50"]
        return {
            **self.int8.figures,
            "map50_fp32": before,
            "map50_change": round(after - before, 4),
            **self.close.as_measured(),
            TIMES_FP32: round(statistics.median(self.times), 2),
        }


def calibration_images(recipe: Recipe, count: int) -> ImageBatch:
    """(count, H, W, 3) drawn images of training seeds, of as many views as possible."""
    starts = blocks_showing(recipe.speciality.places, TRAINING_SEEDS)
    wanted = islice(starts, -(-count // CALIBRATION_PER_VIEW))
    step = BLOCK // CALIBRATION_PER_VIEW
    seeds = [seed for start in wanted for seed in range(start, start + BLOCK, step)][:count]
    return np.stack([one.image for one in render_samples(seeds)])


def compared(fp32: ModelPackage, int8: ModelPackage, images: Sequence[Sample]) -> LoweredFacts:
    """Measures both on the same images."""
    some = np.stack([one.image for one in images[:COMPARED_IMAGES]])
    first, second = Detector(fp32), Detector(int8)
    threshold = fp32.manifest.thresholds.default
    return LoweredFacts(
        measure(fp32, LABELS, images),
        measure(int8, LABELS, images),
        fidelity(first.run(some), second.run(some), threshold),
        _times(first, second, images[0].image[None]),
    )


def _times(first: Detector, second: Detector, image: ImageBatch) -> tuple[float, ...]:
    """Speed of the second by that of the first, in processor time, in alternation."""

    def spent_s(detector: Detector) -> float:
        begun_s = time.process_time()
        for _ in range(PAIR_RUNS):
            detector.run(image)
        return time.process_time() - begun_s

    return tuple(spent_s(first) / spent_s(second) for _ in range(PAIRS))


def build_lowered(name: str, root: Path, counts: Mapping[str, int]) -> LoweredFacts:
    """Writes, measures and admits the int8 version of a built-in package.

    Args:
        name: Of the package.
        root: The repository with its fp32 version.
        counts: How many images `calibration` and `evaluation` take.

    Raises:
        ModelError: It cannot be converted, or is not admitted; nothing of it is left then.
    """
    recipe, fp32 = recipe_named(name), ModelRepository(root).find(name)
    int8 = lowered(fp32, PRECISION, calibration_images(recipe, counts["calibration"]), root)
    try:
        places = recipe.speciality.places
        facts = compared(fp32, int8, list(evaluation_images(counts["evaluation"], places)))
        manifest = int8.manifest.model_copy(update={"measured": facts.as_measured})
        card = card_text(recipe, fp32, int8, facts, counts["calibration"])
        write_texts(int8.directory, manifest, int8.labels, card)
        report = admit(int8.directory)
        if not report.passed:
            raise ModelError(str(int8), f"is not admitted: {report.reason}")
    except BaseException:
        shutil.rmtree(int8.directory)
        raise
    return facts


def card_text(
    recipe: Recipe, fp32: ModelPackage, int8: ModelPackage, facts: LoweredFacts, calibration: int
) -> str:
    """The card in Markdown."""
    times, measured = sorted(facts.times), facts.as_measured
    machine = fingerprint("cpu").processor or platform.machine()
    return f"""# {int8.name} {int8.version}

{recipe.purpose} Classes: {", ".join(recipe.labels)}.

The network of {fp32} in 8-bit arithmetic, for processors. **A stand-in, not a product for real
streets**, as that version is: see its card for training, licence and what is missed most.

## What 8 bits change

AP50 on the same {facts.int8.images} rendered images of evaluation seeds, which show
{" and ".join(recipe.speciality.places)}:

| class | AP50 | of fp32 | change |
|---|---|---|---|
{_rows(facts)}

Mean: **{measured["map50"]:.3f}**, {measured["map50_change"]:+.4f} against fp32. On
{facts.close.images} of these images it finds {facts.close.recall:.3f} of the {facts.close.objects}
objects that fp32 finds with confidence, and {facts.close.false_positive_rate:.3f} of their number
that fp32 does not find.

## How fast

{measured[TIMES_FP32]:g} times as many images per second as fp32 ({times[0]:.2f} to {times[-1]:.2f}
in {len(times)} pairs of {PAIR_RUNS} runs in alternation, one thread, processor time), on
{machine}. Other processors differ: a city measures it before it chooses.

## How it was made

- Static quantisation: activations uint8, weights int8 per output channel, ranges from
  {calibration} drawn images of training seeds; preprocessing, head and suppression stay in fp32.
- Command: `python -m simulation.training.lowered --out models/builtin`
- Licence of the weights: {int8.manifest.licence}; no third-party data or weights are in it.
"""


def _rows(facts: LoweredFacts) -> str:
    before, after = facts.fp32.figures, facts.int8.figures
    names = [f"ap50_{label}" for label in facts.int8.labels]
    return "\n".join(
        f"| {name.removeprefix('ap50_')} | {after[name]:.3f} | {before[name]:.3f} "
        f"| {after[name] - before[name]:+.4f} |"
        for name in names
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m simulation.training.lowered")
    names = [recipe.name for recipe in RECIPES]
    parser.add_argument("--package", nargs="+", choices=names, default=names)
    parser.add_argument("--out", type=Path, required=True, help="repository of the fp32 packages")
    parser.add_argument("--calibration-images", type=int, default=CALIBRATION_IMAGES)
    parser.add_argument("--evaluation-images", type=int, default=EVALUATION_IMAGES)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    counts = {"calibration": options.calibration_images, "evaluation": options.evaluation_images}
    for name in options.package:
        facts = build_lowered(name, options.out, counts)
        logger.info("package_lowered %s %s", name, facts.as_measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
