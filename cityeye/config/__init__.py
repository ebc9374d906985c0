"""The one configuration file, checked as a whole and resolved into plans."""

from cityeye.config.load import Config, load_config, state_folder
from cityeye.config.problem import ConfigurationError, Problem

__all__ = ["Config", "ConfigurationError", "Problem", "load_config", "state_folder"]
