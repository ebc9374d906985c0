"""Training of the built-in detectors; the only part of the project that imports torch."""
