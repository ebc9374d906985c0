"""The one configuration file, checked as a whole and resolved into plans."""

from cityeye.config.changes import Changes, changes_between
from cityeye.config.kept_rules import KeptRulesError
from cityeye.config.load import Config, load_config, secret_variables, state_folder
from cityeye.config.problem import ConfigurationError, Problem
from cityeye.config.quick import quick_plan

__all__ = [
    "Changes",
    "Config",
    "ConfigurationError",
    "KeptRulesError",
    "Problem",
    "changes_between",
    "load_config",
    "quick_plan",
    "secret_variables",
    "state_folder",
]
