"""The one configuration file, checked as a whole and resolved into plans."""

from cityeye.config.changes import Changes, changes_between
from cityeye.config.kept_rules import KeptRulesError
from cityeye.config.load import (
    Config,
    has_cameras,
    load_config,
    secret_variables,
    state_folder,
    trial_camera,
)
from cityeye.config.problem import ConfigurationError, Problem
from cityeye.config.quick import quick_plan
from cityeye.config.trial import TrialCamera, with_rules_of

__all__ = [
    "Changes",
    "Config",
    "ConfigurationError",
    "KeptRulesError",
    "Problem",
    "TrialCamera",
    "changes_between",
    "has_cameras",
    "load_config",
    "quick_plan",
    "secret_variables",
    "state_folder",
    "trial_camera",
    "with_rules_of",
]
