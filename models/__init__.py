"""Models judge: what a model package is, how it is assembled, and how it is run."""
