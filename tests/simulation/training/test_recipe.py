"""What the specialities attend to is named by class and fits any order of classes."""

from __future__ import annotations

import pytest

from simulation.scenes import LABELS, TRAINING_SEEDS, place_of
from simulation.training.recipe import LITTLE_INTEREST, RECIPES, recipe_named


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_package_holds_classes_that_its_network_attends_to(recipe):
    interest = dict(zip(LABELS, recipe.speciality.interest_in(LABELS), strict=True))
    assert all(interest[label] > LITTLE_INTEREST for label in recipe.labels)


def test_interest_follows_the_order_of_the_classes():
    street = recipe_named("traffic").speciality
    assert street.interest_in(("bus", "bottle")) == (street.interest["bus"], LITTLE_INTEREST)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_renderer_has_the_places(recipe):
    shown = {place_of(seed) for seed in TRAINING_SEEDS[:1600:16]}
    assert set(recipe.speciality.places) <= shown
