"""Models infer: what a model package is, how it comes about, and how it is run."""
