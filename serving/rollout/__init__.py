"""Rollouts: which version of a model serves which camera, changed while the city goes on."""
