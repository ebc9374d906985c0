"""Importing: a foreign network file becomes the next version of a package, or nothing at all."""
