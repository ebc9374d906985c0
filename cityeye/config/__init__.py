"""The one configuration file, checked as a whole and resolved into plans."""

from cityeye.config.load import Config, load_config, secret_variables
from cityeye.config.problem import ConfigurationError, Problem

__all__ = ["Config", "ConfigurationError", "Problem", "load_config", "secret_variables"]
