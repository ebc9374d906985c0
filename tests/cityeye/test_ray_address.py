"""Which Ray the city runs on is read from the file, and what cannot be one is refused."""

from __future__ import annotations

import pytest

from tests.cityeye.small_city import CITY, problem_of


def with_ray(address: str) -> str:
    return f'{CITY}\nray: {{address: "{address}"}}\n'


@pytest.mark.parametrize("address", ["local", "auto", "ray-head:6379", "10.0.0.4:6379"])
def test_an_address_is_taken(load_city, address):
    assert load_city(with_ray(address)).settings.ray.address == address


def test_without_it_the_city_has_a_ray_of_its_own(load_city):
    assert load_city(CITY).settings.ray.address == "local"


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("ray://head:10001", "Ray Client is not used"),
        ("ray-head", "cannot be read"),
        ("ray-head:0", "cannot be read"),
        ("300.1.1.1:6379", "not a valid IP address"),
    ],
)
def test_what_cannot_be_an_address_is_named(load_city, address, what):
    problem = problem_of(load_city, with_ray(address))
    assert what in problem.what
