"""What the README tells a person to type exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import typer.main

from cityeye.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = "\n".join(
    [*re.findall(r"```sh\n(.*?)```", README, re.DOTALL), *re.findall(r"`(.+?)`", README)]
)


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake ([a-z-]+)", CODE))
    assert named >= {"demo", "test", "bench", "clean"}
    assert named <= set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))


def test_make_alone_lists_every_target():
    done = subprocess.run(
        ["make"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    for target in ("demo", "test", "lint", "bench", "clean", "format"):
        assert f"make {target}" in done.stdout


def test_commands_exist():
    commands = typer.main.get_command(app).commands
    named = set(re.findall(r"^cityeye ([a-z]+)", CODE, re.MULTILINE))
    assert named >= {"check", "run", "hub", "models"}
    assert named <= set(commands)


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_commands_about_models_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    commands = typer.main.get_command(app).commands["models"].commands
    named = set(re.findall(r"cityeye models ([a-z]+)", text))
    assert named >= {"import", "show", "eval", "rollout", "promote", "rollback", "compare", "push"}
    assert named <= set(commands)


def test_metrics_on_the_page_are_those_that_there_are():
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    code = (ROOT / "serving" / "api" / "metrics.py").read_text(encoding="utf-8")
    for name in re.findall(r"`cityeye_model_(\w+?)(?:_total)?`", page):
        assert f'"cityeye_model_{name}"' in code or f'"{name}":' in code, name


@pytest.mark.parametrize(
    "page", ["README.md", "CHANGELOG.md", "docs/architecture.md", "docs/models.md"]
)
def test_links_lead_somewhere(page):
    path = ROOT / page
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link
