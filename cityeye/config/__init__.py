"""The one configuration file, checked as a whole and resolved into plans."""

from cityeye.config.changes import Changes, changes_between
from cityeye.config.hub_file import LoneHubFile, lone_hub
from cityeye.config.hub_sections import hub_sections
from cityeye.config.kept_rules import KeptRulesError
from cityeye.config.load import (
    Config,
    configured_models,
    has_cameras,
    load_config,
    secret_variables,
    state_folder,
    trial_camera,
)
from cityeye.config.login import holds_password, lifted_login
from cityeye.config.problem import ConfigurationError, Problem
from cityeye.config.quick import quick_plan
from cityeye.config.trial import TrialCamera, with_rules_of
from cityeye.config.tried_camera import tried_camera
from cityeye.config.yaml_text import NotEditableError, YamlText, without_variables

__all__ = [
    "Changes",
    "Config",
    "ConfigurationError",
    "KeptRulesError",
    "LoneHubFile",
    "NotEditableError",
    "Problem",
    "TrialCamera",
    "YamlText",
    "changes_between",
    "configured_models",
    "has_cameras",
    "holds_password",
    "hub_sections",
    "lifted_login",
    "load_config",
    "lone_hub",
    "quick_plan",
    "secret_variables",
    "state_folder",
    "trial_camera",
    "tried_camera",
    "with_rules_of",
    "without_variables",
]
