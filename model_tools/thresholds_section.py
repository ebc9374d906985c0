"""The section of a card on confidence thresholds: written, replaced, compared with the manifest."""

from __future__ import annotations

import re
from typing import Final

from models import Thresholds

TITLE: Final = "## Confidence thresholds"
_NEXT: Final = "\n## "
_EARLIER_LINE: Final = r"^Confidence threshold: .*\n\n?"
"""What cards of earlier versions say instead of this section."""


def thresholds_section(thresholds: Thresholds, source: str) -> str:
    """The section, up to the empty line before the next one; `source` is a sentence."""
    lines = "\n".join(_lines(thresholds))
    return f"""{TITLE}

{lines}

{source} A rollout table or the task of a camera may name others.
"""


def with_thresholds_section(card: str, thresholds: Thresholds, source: str) -> str:
    """A card with this section instead of the one that it has, or with one more at its end."""
    section = thresholds_section(thresholds, source)
    card = re.sub(_EARLIER_LINE, "", card, flags=re.MULTILINE)
    before, title, rest = card.partition(TITLE)
    if not title:
        return f"{card.rstrip()}\n\n{section}"
    _, following, after = rest.partition(_NEXT)
    return f"{before}{section}{following}{after}" if following else f"{before}{section}"


def contradiction(card: str, thresholds: Thresholds) -> str:
    """What a card should say of thresholds where it says something else; empty if it agrees.

    A card without such a section contradicts nothing.
    """
    _, title, rest = card.partition(TITLE)
    said = {line for line in rest.partition(_NEXT)[0].splitlines() if line.startswith("- ")}
    wanted = _lines(thresholds)
    return ", ".join(f"`{line}`" for line in wanted) if title and said != set(wanted) else ""


def _lines(thresholds: Thresholds) -> list[str]:
    own = [f"- {label}: {score:g}" for label, score in thresholds.classes.items()]
    general = "every other class" if own else "every class"
    return [*own, f"- {general}: {thresholds.default:g}"]
