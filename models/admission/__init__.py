"""Admission: a version is measured in a throw-away process, and only what passed may serve."""

from models.admission.choice import admitted
from models.admission.gate import admit
from models.admission.report import AdmissionReport, is_admitted, read_report, why_not_admitted

__all__ = ["AdmissionReport", "admit", "admitted", "is_admitted", "read_report", "why_not_admitted"]
