"""Alerts and dashboards: what Prometheus and Grafana read, and what writes it."""
