"""The model card: what a built-in package is, how it was made, what it measures, what is hard."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from model_tools.evaluation import Curve, mean_average_precision
from simulation.training.recipe import Recipe

HARD_BELOW = 0.85
SIZE_BOUNDS_PX = (12.0, 24.0, 48.0)
"""Limits between the size ranges of the card: square root of the box area."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a network came about, for manifest and card."""

    training_data: str
    command: str
    evaluation_data: str
    date: str
    machine: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What a package achieves."""

    labels: tuple[str, ...]
    results: tuple[Curve, ...]
    by_size: tuple[tuple[int, float], ...]
    milliseconds: float
    images: int
    threshold: float

    @property
    def figures(self) -> dict[str, float]:
        """Flat numbers for the manifest."""
        each = {
            f"ap50_{label}": round(one.average_precision, 4)
            for label, one in zip(self.labels, self.results, strict=True)
        }
        return {
            "map50": round(mean_average_precision(self.results), 4),
            **each,
            "cpu_core_ms_per_image": round(self.milliseconds, 2),
            "evaluation_images": float(self.images),
        }


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Everything that a card tells."""

    recipe: Recipe
    version: str
    measured: Measured
    provenance: Provenance


def card_text(facts: CardFacts) -> str:
    """The card in Markdown."""
    recipe, provenance = facts.recipe, facts.provenance
    return f"""# {recipe.name} {facts.version}

{recipe.purpose} Classes: {", ".join(recipe.labels)}.

**A stand-in, not a product for real streets.** It was trained on rendered scenes only and knows
what they look like. For real cameras, bring real weights in with `cityeye models import`.

## How well it finds what there is

Average precision at an overlap of 0.5 on {facts.measured.images} rendered images of unseen
seeds ({provenance.evaluation_data}), through this very `model.onnx` and `Detector`. **They show
only the places that this package is made for: {" and ".join(recipe.speciality.places)}.** Objects
that are tiny or mostly hidden are neither demanded nor punished. Precision and recall are those at
the default threshold {recipe.threshold}.

{_table(facts.measured)}

Mean: **{mean_average_precision(facts.measured.results):.3f}**.

{_hard(recipe, facts.measured)}

| object size, square root of area | objects | recall |
|---|---|---|
{_sizes(facts.measured)}

## How fast

{facts.measured.milliseconds:.1f} ms of one CPU core per 640x384 image (median CPU time of
single-image runs on one thread, preprocessing, decoding and suppression included), on
{provenance.machine}.

## How it was made

- Training data: {provenance.training_data}.
- Command: `{provenance.command}`
- Date: {provenance.date}.
- Augmentation: mirroring, scale (0.7 to 1.6 in the first pass, then 0.8 to 1.4), exposure,
  gamma and white balance, blur, low resolution and JPEG artefacts.
- Licence of the weights: Apache-2.0; no third-party data or weights are in it.
"""


def _table(measured: Measured) -> str:
    # The manifest's figures, lest rounding twice tells another last digit than it does.
    figures = measured.figures
    lines = ["| class | AP50 | objects | precision | recall |", "|---|---|---|---|---|"]
    lines += [
        f"| {label} | {figures[f'ap50_{label}']:.3f} | {one.objects} "
        f"| {point.precision:.2f} | {point.recall:.2f} |"
        for label, one in zip(measured.labels, measured.results, strict=True)
        for point in (one.at(measured.threshold),)
    ]
    return "\n".join(lines)


def _sizes(measured: Measured) -> str:
    edges = [f"{bound:g}" for bound in SIZE_BOUNDS_PX]
    names = [f"under {edges[0]} px"]
    names += [f"{low} to {high} px" for low, high in pairwise(edges)]
    names.append(f"over {edges[-1]} px")
    return "\n".join(
        f"| {name} | {count} | {recall:.2f} |"
        for name, (count, recall) in zip(names, measured.by_size, strict=True)
    )


def _hard(recipe: Recipe, measured: Measured) -> str:
    pairs = zip(measured.labels, measured.results, strict=True)
    hard = [
        f"{label} ({one.average_precision:.2f})"
        for label, one in pairs
        if one.average_precision < HARD_BELOW
    ]
    below = (
        f"Below {HARD_BELOW}: {', '.join(hard)}." if hard else f"Every class reaches {HARD_BELOW}."
    )
    return f"{below} What is missed most: {recipe.hard}."
