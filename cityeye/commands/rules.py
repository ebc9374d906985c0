"""`cityeye rules`: what this program can find, and with which parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from cityeye.commands.events import AsJsonOption
from cityeye.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.rules import ParameterDescription, RuleDescription

app = typer.Typer(help="List the rules that a configuration may name.", no_args_is_help=True)

SIGNS: Final = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


@app.command("list")
def list_rules(as_json: AsJsonOption = False) -> None:
    """List all kinds of rules with their versions, and all sets."""
    from pipelines.rules import RULE_SETS, describe_rules

    rules = describe_rules()
    if as_json:
        _print_json(rules)
        return
    for rule in rules:
        if rule.is_newest:
            older = ", ".join(one.version for one in rules if one.kind == rule.kind)
            typer.echo(f"{rule.kind:32} versions {older}; {rule.summary}")
    for name, pinned in RULE_SETS.items():
        typer.echo(f"{name:32} {', '.join(f'{one.kind} {one.version}' for one in pinned)}")


@app.command("show")
def show_rule(
    kind: Annotated[str, typer.Argument(help="A kind of rule, such as `traffic.congestion`.")],
    version: Annotated[str | None, typer.Option(help="One version; the newest without it.")] = None,
    as_json: AsJsonOption = False,
) -> None:
    """Show one kind of rule: where it works, what it needs, its parameters with units."""
    from pipelines.rules import describe_rules

    rules = describe_rules()
    found = [
        rule
        for rule in rules
        if rule.kind == kind and (rule.is_newest if version is None else rule.version == version)
    ]
    if not found:
        known = [rule.version for rule in rules if rule.kind == kind]
        if known:
            raise CommandError(f"{kind} has no version {version}; it has {', '.join(known)}")
        kinds = ", ".join(sorted({rule.kind for rule in rules}))
        raise CommandError(f"there is no rule {kind}; choose from {kinds}")
    if as_json:
        _print_json(found)
    else:
        _show(found[0])


def _print_json(rules: Sequence[RuleDescription]) -> None:
    import json
    from dataclasses import asdict

    typer.echo(json.dumps([asdict(rule) for rule in rules], indent=2))


def _show(rule: RuleDescription) -> None:
    newest = " (the newest)" if rule.is_newest else ""
    typer.echo(f"{rule.kind} {rule.version}{newest}, task {rule.task}")
    typer.echo(rule.summary)
    needs = "; needs a calibrated camera" * rule.needs_ground
    typer.echo(f"works at {rule.places}{needs}")
    for words, names in (
        ("signals", rule.signals),
        ("measures", rule.measures),
        ("in the sets", rule.sets),
    ):
        if names:
            typer.echo(f"{words}: {', '.join(names)}")
    for one in rule.parameters:
        typer.echo(f"  {one.name}: {one.description}")
        typer.echo(f"    {_values(one)}")


def _values(one: ParameterDescription) -> str:
    """Type, default, unit and limits of a parameter."""
    unit = "" if one.unit in {"", "1"} else f" {one.unit}"
    said = [f"{one.type}, default {_written(one.default)}{unit}"]
    said += [f"{SIGNS[word]} {limit:g}{unit}" for word, limit in one.bounds.items()]
    if one.choices:
        said.append(f"one of {', '.join(one.choices)}")
    return ", ".join(said)


def _written(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, value))}]"
    return "none" if value is None else str(value)
