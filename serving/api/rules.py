"""The route of the control API for rules: what this program can find, and with which parameters."""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

from fastapi import APIRouter

from pipelines.rules import RULE_SETS, PinnedRule, RuleDescription, describe_rules
from serving.api.answers import ApiAnswer

router = APIRouter(prefix="/rules", tags=["rules"])


class RulesAnswer(ApiAnswer):
    """All versions of all kinds with their parameters, and the rules of each set by its name.

    Numbers have a `unit`, `1` for counts and shares, and `bounds` by the words of JSON Schema.
    """

    rules: tuple[RuleDescription, ...]
    sets: dict[str, tuple[PinnedRule, ...]]


@router.get("", summary="Kinds of rules with their versions, parameters and sets")
async def list_rules() -> RulesAnswer:
    """What a configuration may name; which of it a city runs, `cityeye check` says."""
    return RulesAnswer(rules=describe_rules(), sets=dict(RULE_SETS))
