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
    for target in ("demo", "quick", "test", "prove", "lint", "bench", "clean", "format"):
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


PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKS = [
    (page, target, anchor)
    for page in PAGES
    for target, anchor in re.findall(
        r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")
    )
]


# A cookie of the console, and no metric.
NO_METRICS = {"cityeye_language"}


@pytest.mark.parametrize("page", PAGES[:1] + PAGES[2:], ids=lambda page: page.name)
def test_metrics_that_a_page_names_are_in_their_table(page: Path) -> None:
    table = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^\| `(cityeye_\w+)`", table, re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`(cityeye_[a-z_]+)[`{]", text)) - NO_METRICS
    assert named <= known, sorted(named - known)
    assert len(known) > 50


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may be called, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_pages_have_links_into_the_house_and_to_headings():
    assert {page.name for page, target, _ in LINKS if target} >= {"README.md", "models.md"}
    assert any(anchor for _, _, anchor in LINKS)


@pytest.mark.parametrize(("page", "target", "anchor"), LINKS)
def test_a_link_leads_somewhere(page, target, anchor):
    there = page.parent / target if target else page
    assert there.exists()
    if anchor:
        assert anchor in anchors(there)
