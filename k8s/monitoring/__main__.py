"""`python -m k8s.monitoring`: writes the files that are made of others."""

from __future__ import annotations

from k8s.monitoring.files import generated

for path, text in generated().items():
    path.write_text(text, "utf-8")
