"""Recipes of the built-in packages: which classes each holds and how it is described."""

from __future__ import annotations

from dataclasses import dataclass

from models.graph.selection import Selection


@dataclass(frozen=True, slots=True)
class Recipe:
    """One built-in package.

    Attributes:
        name: Package name, also the task that it serves.
        labels: Classes in the package's order.
        threshold: Default score threshold.
        selection: Limits of the suppression inside the graph.
        purpose: One sentence for the card.
    """

    name: str
    labels: tuple[str, ...]
    threshold: float
    selection: Selection
    purpose: str


RECIPES = (
    Recipe(
        name="traffic",
        labels=("car", "bus", "truck", "motorcycle", "bicycle", "person"),
        threshold=0.35,
        selection=Selection(rows=200, overlap=0.5),
        purpose="Finds road users, for congestion, stopped vehicles, flow and speed.",
    ),
    Recipe(
        name="littering",
        labels=("person", "bag", "bottle", "bin_bag"),
        threshold=0.3,
        selection=Selection(rows=200, overlap=0.5),
        purpose="Finds people and what they leave behind, for dropped and dumped litter.",
    ),
    Recipe(
        name="crowding",
        labels=("person",),
        threshold=0.35,
        selection=Selection(rows=200, overlap=0.5),
        purpose="Finds every single person, for counts and densities of crowds.",
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
