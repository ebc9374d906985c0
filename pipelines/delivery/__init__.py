"""Delivery: what is published is durable first, and sent until it is acknowledged."""
