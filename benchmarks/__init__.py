"""Measures the product: what serving costs, and what a machine carries."""
