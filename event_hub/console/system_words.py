"""Words for codes of the system itself: models, people, subscriptions, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from event_hub.console.language import N_

MODEL_ROLES: Final[Mapping[str, str]] = {
    "stable": N_("stable"),
    "canary": N_("canary"),
    "shadow": N_("shadow"),
    "leaving": N_("leaving"),
    "warm": N_("kept loaded"),
    "pinned": N_("named by cameras"),
}
APPLICATIONS: Final[Mapping[str, str]] = {
    "RUNNING": N_("running"),
    "NOT_STARTED": N_("not started"),
    "DEPLOYING": N_("starting"),
    "DEPLOY_FAILED": N_("start failed"),
    "UNHEALTHY": N_("unhealthy"),
    "DELETING": N_("ending"),
}
DEEDS: Final[Mapping[str, str]] = {
    "change": N_("rollout changed"),
    "promote": N_("promoted"),
    "rollback": N_("rolled back"),
}
SCOPES: Final[Mapping[str, str]] = {
    "viewer": N_("viewer"),
    "operator": N_("operator"),
    "engineer": N_("engineer"),
    "admin": N_("administrator"),
    "sender": N_("sender of events"),
}
KEPT: Final[Mapping[str, str]] = {
    "hub": N_("events in this hub"),
    "keyframes": N_("keyframes"),
    "restricted": N_("clips and unmasked images"),
    "models": N_("copies of models"),
    "events": N_("events in the workers"),
    "coverage": N_("coverage in the workers"),
    "logs": N_("logs of the workers"),
    "comparisons": N_("comparisons of models"),
    "damaged outboxes": N_("damaged outboxes"),
}
FORMATS: Final[Mapping[str, str]] = {
    "cloudevents": N_("CloudEvents (webhook)"),
    "wecom": N_("WeCom robot"),
    "dingtalk": N_("DingTalk robot"),
    "feishu": N_("Feishu robot"),
}
