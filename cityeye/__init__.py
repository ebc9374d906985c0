"""The front door: the command line, the one configuration file, and what they put together."""
