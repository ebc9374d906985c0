"""The `retention` of the configuration file: how long what the city keeps is kept."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import Field, model_validator

from cityeye.config.section import Section
from event_hub import DEDUPLICATED_DAYS, HubRetention
from pipelines.delivery import Retention, RetentionLimit

Days = Annotated[float, Field(gt=0, le=36_500)]
Gigabytes = Annotated[float, Field(gt=0, le=1_000_000)]
DEFAULTS = Retention()
HUB_DEFAULTS = HubRetention()


class LimitSection(Section):
    """How long something is kept, and how much of it; `null` is without end."""

    days: Days | None = None
    """days above 0, or `null`, for example `30`"""
    gigabytes: Gigabytes | None = None
    """gigabytes above 0, or `null`, for example `100`"""

    @property
    def limit(self) -> RetentionLimit:
        """As delivery takes it."""
        return RetentionLimit(self.days, self.gigabytes)


class HubLimitSection(LimitSection):
    """The same for the embedded hub, which knows an event again for some days."""

    days: Annotated[float, Field(ge=DEDUPLICATED_DAYS, le=36_500)] | None = HUB_DEFAULTS.days
    """days, 3 or more, or `null`, for example `90`"""
    gigabytes: Gigabytes | None = HUB_DEFAULTS.gigabytes
    """gigabytes above 0, or `null`, for example `10`"""

    @property
    def hub_retention(self) -> HubRetention:
        """As the hub takes it."""
        return HubRetention(days=self.days, gigabytes=self.gigabytes)


def _limit(limit: RetentionLimit) -> LimitSection:
    return LimitSection(days=limit.days, gigabytes=limit.gigabytes)


class RetentionSection(Section):
    """How long what the city keeps is kept; evidence of held incidents stays."""

    keyframes: LimitSection = _limit(DEFAULTS.keyframes)
    """`days` and `gigabytes`, for example `{days: 30, gigabytes: 100}`"""
    restricted: LimitSection = _limit(DEFAULTS.restricted)
    """`days` and `gigabytes` of clips and clean images, for example `{days: 7, gigabytes: 100}`"""
    coverage: LimitSection = _limit(DEFAULTS.coverage)
    """`days` and `gigabytes` of each worker's coverage ledger, for example `{days: 30}`"""
    events: LimitSection = _limit(DEFAULTS.events)
    """`days` and `gigabytes` of each worker's outbox, for example `{days: 1, gigabytes: 0.27}`"""
    logs: LimitSection = _limit(DEFAULTS.logs)
    """`days` and `gigabytes` of each worker, for example `{days: 30, gigabytes: 0.1}`"""
    comparisons: LimitSection = _limit(DEFAULTS.comparisons)
    """`days` and `gigabytes` of each worker, for example `{days: 30, gigabytes: 1}`"""
    damaged: LimitSection = _limit(DEFAULTS.damaged)
    """`days` and `gigabytes` of each worker, for example `{days: 30}`"""
    models: LimitSection = _limit(DEFAULTS.models)
    """`days` and `gigabytes` of unused copies, for example `{days: 90, gigabytes: 20}`"""
    hub: HubLimitSection = HubLimitSection()
    """`days` and `gigabytes` of events in the hub, for example `{days: 90, gigabytes: 10}`"""

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, given: object) -> object:
        """What a limit leaves out is as it is without it."""
        if not isinstance(given, dict):
            return given
        defaults = asdict(DEFAULTS) | {"hub": HUB_DEFAULTS.model_dump()}
        return {
            name: defaults.get(name, {}) | limit if isinstance(limit, dict) else limit
            for name, limit in given.items()
        }

    @property
    def retention(self) -> Retention:
        """As delivery takes it."""
        return Retention(**{name: section.limit for name, section in self if name != "hub"})
