"""Shadows: what another model version would have reported, compared and never published."""
