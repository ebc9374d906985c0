"""TCP ports that are taken where nobody names another."""

API_PORT = 8500
HUB_PORT = 8600
