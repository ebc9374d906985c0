"""The control API: cameras, models, versions, rollouts and metrics over HTTP."""
