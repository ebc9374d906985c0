"""docs/rules.md says what the registry says: kinds, places, parameters with defaults, sets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.rules import RULE_SETS, RULES, RuleType

TEXT = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")


def section(rule: RuleType[Any]) -> list[str]:
    """The lines that the page must hold for a kind of rule."""
    needs = " Needs a calibrated camera." if rule.needs_ground else ""
    needs += f" Signals: {', '.join(sorted(rule.signals))}." if rule.signals else ""
    return [
        f"Task `{rule.task}`, version {rule.version}. Works at {rule.places}.{needs}",
        *(
            f"| `{name}` | {written(field.default)} | {field.description} |"
            for name, field in rule.Parameters.model_fields.items()
        ),
    ]


def written(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


@pytest.mark.parametrize("kind", sorted(RULES))
def test_the_page_describes_a_rule_as_the_registry_does(kind):
    _, heading, rest = TEXT.partition(f"\n### `{kind}`\n")
    assert heading, kind
    lines = re.split(r"\n##+ ", rest)[0].splitlines()
    wanted = section(RULES[kind])
    assert [line for line in wanted if line not in lines] == []
    assert sum(line.startswith("| `") for line in lines) == len(wanted) - 1


def test_the_page_knows_no_other_rules_and_all_sets():
    assert set(re.findall(r"\n### `([\w.]+)`\n", TEXT)) == set(RULES)
    rows = {
        f"| `{name}` | {', '.join(f'`{rule.kind}` {rule.version}' for rule in rules)} |"
        for name, rules in RULE_SETS.items()
    }
    assert {line for line in TEXT.splitlines() if re.match(r"\| `\w+/", line)} == rows
