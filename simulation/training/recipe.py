"""Recipes of the built-in packages: which classes each holds, and where it is made to work.

Packages for the same kind of place share one network; networks for different places share their
first passes of training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model_tools.graph import Selection


@dataclass(frozen=True, slots=True, eq=False)
class Speciality:
    """The last passes of training, on images of some places only.

    Attributes:
        name: Of the network that comes out.
        places: What the images show, by the renderer's names of places; the network is also
            evaluated on nothing else.
        steps: Optimiser steps of each pass.
        interest: How much a class attracts the cut-outs, where it is not `LITTLE_INTEREST`.
    """

    name: str
    places: tuple[str, ...]
    steps: tuple[int, ...]
    interest: Mapping[str, float]

    def interest_in(self, labels: Sequence[str]) -> tuple[float, ...]:
        """The interest in each of the classes, in their order."""
        return tuple(self.interest.get(label, LITTLE_INTEREST) for label in labels)


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """One built-in package.

    Attributes:
        name: Package name, also the task that it serves.
        labels: Classes in the package's order.
        threshold: Default score threshold.
        selection: Limits of the suppression inside the graph.
        purpose: One sentence for the card.
        hard: What is missed most, for the card.
        speciality: Which network the package holds.
    """

    name: str
    labels: tuple[str, ...]
    threshold: float
    selection: Selection
    purpose: str
    hard: str
    speciality: Speciality


LITTLE_INTEREST = 0.05

STREET = Speciality(
    name="street",
    places=("crossroad", "arterial"),
    steps=(800, 1600, 650),
    # Two-wheelers are few, small and the hardest to learn.
    interest={
        "car": 0.6,
        "bus": 0.6,
        "truck": 1.0,
        "motorcycle": 3.0,
        "bicycle": 3.0,
        "person": 1.5,
    },
)
FOOT = Speciality(
    name="foot",
    places=("square", "park"),
    steps=(1000,),
    interest={"person": 2.0, "bag": 2.5, "bottle": 2.0, "bin_bag": 1.0},
)

RECIPES = (
    Recipe(
        name="traffic",
        labels=("car", "bus", "truck", "motorcycle", "bicycle", "person"),
        threshold=0.35,
        selection=Selection(rows=200, nms_iou=0.5),
        purpose="Finds road users, for congestion, stopped vehicles, flow and speed.",
        hard="two-wheelers and people of less than 18 pixels, far away or in the gaps of dense "
        "traffic, half hidden by vehicles or washed out by headlights and fog; end on, a bicycle "
        "is easily taken for a motorcycle",
        speciality=STREET,
    ),
    Recipe(
        name="littering",
        labels=("person", "bag", "bottle", "bin_bag"),
        threshold=0.3,
        selection=Selection(rows=200, nms_iou=0.5),
        purpose="Finds people and what they leave behind, for dropped and dumped litter.",
        hard="bags that hang in a hand or lie before a person, heaps where things cover each "
        "other, and bottles of less than 12 pixels",
        speciality=FOOT,
    ),
    Recipe(
        name="crowding",
        labels=("person",),
        threshold=0.35,
        selection=Selection(rows=200, nms_iou=0.5),
        purpose="Finds every single person, for counts and densities of crowds.",
        hard="people who cover each other in groups, and those of less than 18 pixels",
        speciality=FOOT,
    ),
)


def recipe_named(name: str) -> Recipe:
    """The recipe of a built-in package.

    Raises:
        ValueError: There is none of that name.
    """
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    known = ", ".join(recipe.name for recipe in RECIPES)
    raise ValueError(f"no recipe for a package {name}; there are {known}")
