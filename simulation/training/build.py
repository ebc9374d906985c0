"""Building: a trained network becomes a measured package; nothing ships without its figures.

What is measured is the written package itself, run by `Detector` on images that training never
saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from model_tools.admission import admit
from model_tools.importing import PackageFacts, keep_golden, write_package
from models import ModelError, Source
from simulation.scenes import Sample
from simulation.training.card import CardFacts, Measured, Provenance, card_text
from simulation.training.export import export
from simulation.training.measuring import measure
from simulation.training.network import Network
from simulation.training.recipe import Recipe

ARCHITECTURE = "CityEye dense-convolution detector, strides 8/16/32, trained from scratch"
LICENCE = "Apache-2.0"
GOLDEN_IMAGES = 2


def build_package(
    network: Network,
    known: Sequence[str],
    recipe: Recipe,
    evaluated_on: Iterable[Sample],
    provenance: Provenance,
    version: str,
    out: Path,
) -> Measured:
    """Exports, writes, measures and describes one package.

    The package is admitted on two of the images, as any other has to be before it serves.

    Args:
        network: Trained on the classes `known`, in that order.
        known: Class names of the network and of the images' labels.
        recipe: What the package is to hold.
        evaluated_on: Labelled images that training never saw, of the package's input size.
        provenance: Where it all comes from.
        version: Package version.
        out: Root of the model repository to write to.

    Raises:
        ModelError: The package is not admitted.
    """
    images = list(evaluated_on)
    height, width = images[0].image.shape[:2]
    kept = tuple(known.index(label) for label in recipe.labels)
    wrapped = export(network, (width, height), kept, recipe.selection)
    facts = PackageFacts(
        name=recipe.name,
        version=version,
        tasks=(recipe.name,),
        labels=recipe.labels,
        threshold=recipe.threshold,
        licence=LICENCE,
        source=Source(
            architecture=ARCHITECTURE,
            training_data=provenance.training_data,
            command=provenance.command,
        ),
        card="Not measured yet.\n",
    )
    draft = write_package(out, wrapped, (width, height), facts)
    measured = measure(draft, known, images)
    card = card_text(CardFacts(recipe, version, measured, provenance))
    final = replace(facts, card=card, measured=measured.figures)
    package = write_package(out, wrapped, (width, height), final)
    keep_golden(package, np.stack([one.image for one in images[:GOLDEN_IMAGES]]))
    report = admit(package.directory)
    if not report.passed:
        raise ModelError(str(package), f"is not admitted: {report.reason}")
    return measured
