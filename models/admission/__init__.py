"""Admission as whoever serves reads it: the report of a version, and which version may serve."""

from models.admission.choice import admitted
from models.admission.report import (
    AdmissionReport,
    BatchLatency,
    Check,
    Examined,
    Findings,
    Machine,
    is_admitted,
    read_report,
    why_not_admitted,
)

__all__ = [
    "AdmissionReport",
    "BatchLatency",
    "Check",
    "Examined",
    "Findings",
    "Machine",
    "admitted",
    "is_admitted",
    "read_report",
    "why_not_admitted",
]
