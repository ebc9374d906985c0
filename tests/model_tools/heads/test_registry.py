"""The registry is where every choice of a head comes from."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from cityeye.cli import app
from model_tools.heads.registry import FAMILIES, HEAD_NAMES, heads
from model_tools.importing.request import ImportRequest


def test_every_module_has_the_heads_that_the_registry_names():
    assert tuple(heads()) == HEAD_NAMES
    assert len(set(HEAD_NAMES)) == len(HEAD_NAMES) > len(FAMILIES)


@pytest.mark.parametrize("name", HEAD_NAMES)
def test_a_head_says_what_it_reads_and_what_makes_its_scores(name):
    head = heads()[name]
    assert head.choose_for
    assert head.score_kinds
    assert ImportRequest(name="s", file="f", head=name).head == name


def test_choices_are_those_of_the_registry():
    options = ImportRequest.model_json_schema()["properties"]["head"]["anyOf"]
    assert options[0]["enum"] == list(HEAD_NAMES)
    shown = CliRunner().invoke(app, ["models", "import", "--help"]).output
    assert "|".join(HEAD_NAMES) in "".join(shown.split())


def test_an_unknown_head_is_refused_with_the_known_ones():
    with pytest.raises(ValidationError, match="there is no head ssd; choose one of packaged"):
        ImportRequest(name="s", file="f", head="ssd")
    refused = CliRunner().invoke(app, ["models", "import", "f", "--name", "s", "--head", "ssd"])
    assert refused.exit_code == 2
    assert "there is no head ssd" in " ".join(refused.output.split())
