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
    named = set(re.findall(r"\bmake ([a-z]+)", CODE))
    assert named >= {"demo", "test", "bench", "clean"}
    assert named <= set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))


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


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "docs/architecture.md"])
def test_links_lead_somewhere(page):
    path = ROOT / page
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link
