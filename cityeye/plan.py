"""From a checked configuration to the plan that serving runs."""

from __future__ import annotations

from pathlib import Path

from cityeye.config.load import Config
from cityeye.config.model_source import model_source
from cityeye.config.schema import S3Section, SinkSection
from cityeye.logs import log_to_file
from pipelines.plan import ModelRef
from pipelines.sinks.http import HttpSinkSettings
from pipelines.stores.s3 import S3Settings
from serving.city_plan import CityPlan, DeliveryPlan, ServedModel, served_model


def city_plan(config: Config, hub_url: str | None) -> CityPlan:
    """The plan of a configuration.

    Args:
        config: The configuration.
        hub_url: Where the embedded hub takes events, None when there is none.

    Raises:
        ModelError: A package changed on disk after it was checked.
    """
    settings = config.settings
    sinks = tuple(_sink(section) for section in settings.sinks)
    if hub_url is not None:
        sinks += (HttpSinkSettings(url=hub_url),)
    return CityPlan(
        cameras=config.plans,
        models=_models(config),
        delivery=DeliveryPlan(keyframes=keyframes(config), sinks=sinks, state=settings.state),
        cameras_per_worker=settings.workers.cameras_per_worker,
        log_to=log_to_file,
    )


def keyframes(config: Config) -> Path | S3Settings:
    """Where keyframes are kept."""
    section = config.settings.keyframes
    if section.folder is not None:
        return section.folder
    if section.s3 is None:
        raise ValueError("a checked configuration keeps keyframes in a folder or in S3")
    return _s3(section.s3)


def _models(config: Config) -> tuple[ServedModel, ...]:
    section = config.settings.models
    source = model_source(section)
    repository = source.open()
    wanted: dict[ModelRef, None] = {
        task.model: None for plan in config.plans for task in plan.tasks
    }
    return tuple(
        served_model(
            package,
            package=source.place(package),
            threads=section.threads,
            provider=section.provider,
        )
        for package in (repository.find(ref.name, ref.version) for ref in wanted)
    )


def _sink(section: SinkSection) -> HttpSinkSettings:
    secret = section.secret.get_secret_value() if section.secret is not None else None
    return HttpSinkSettings(url=section.url, secret=secret)


def _s3(section: S3Section) -> S3Settings:
    return S3Settings(
        endpoint=section.endpoint,
        bucket=section.bucket,
        access_key=section.access_key,
        secret_key=section.secret_key.get_secret_value(),
        region=section.region,
        secure=section.secure,
    )
