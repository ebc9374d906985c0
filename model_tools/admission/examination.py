"""The examination: every check of admission, in order, inside the throw-away process.

A check gives what it found and a sentence about it, or raises what is wrong. The first that raises
ends the examination; what was measured until then is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from model_tools.admission import files, graph, machine, outputs, speed
from model_tools.sandbox.child import Announce, is_out_of_memory, sentence_of
from models import ModelError, ModelPackage
from models.graph import ContractViolation

T = TypeVar("T")


def examine(arguments: Mapping[str, Any], announce: Announce) -> dict[str, Any]:
    """Examines the version in `arguments["directory"]`.

    Returns:
        `checks`, `reason` (empty if all passed) and `findings`, as in the report.
    """
    ledger = Ledger(announce)
    try:
        package, content = _read(ledger, Path(arguments["directory"]))
        _run(ledger, package, content, arguments)
    except Refused as refusal:
        ledger.reason = str(refusal)
    ledger.findings["peak_memory_mb"] = machine.peak_memory_mb()
    found = machine.fingerprint(ledger.findings.get("provider", ""))
    ledger.findings["machine"] = found.model_dump()
    return {"checks": ledger.checks, "reason": ledger.reason, "findings": ledger.findings}


class Refused(Exception):
    """A check did not pass; the text is the reason."""


@dataclass(slots=True)
class Ledger:
    """The checks made so far, and what they measured.

    Attributes:
        announce: Announces a step with a time limit of its own.
        checks: Name, result, sentence and seconds of each.
        findings: Parts of a report's `Findings`.
        reason: Why the version is refused; empty so far.
    """

    announce: Announce
    checks: list[dict[str, object]] = field(default_factory=list)
    findings: dict[str, Any] = field(default_factory=dict)
    reason: str = ""

    def check(
        self, name: str, step: str, find: Callable[[], tuple[T, str]], seconds: float | None = None
    ) -> T:
        """Makes one check and gives what it found.

        Raises:
            Refused: It did not pass.
        """
        self.announce(step, seconds)
        started = time.monotonic()
        try:
            found, sentence = find()
        except (ModelError, ContractViolation) as error:
            if is_out_of_memory(error):
                raise
            reason = sentence_of(error)
            self._note(name, "refused", reason, started)
            raise Refused(reason) from error
        self._note(name, "passed", sentence, started)
        return found

    def _note(self, name: str, result: str, sentence: str, started: float) -> None:
        seconds = round(time.monotonic() - started, 3)
        said = {"name": name, "result": result, "sentence": sentence, "seconds": seconds}
        self.checks.append(said)


def _read(ledger: Ledger, directory: Path) -> tuple[ModelPackage, bytes]:
    """Everything that needs no ONNX Runtime."""
    check, findings = ledger.check, ledger.findings
    package = check("files", "reading the files", lambda: files.described(directory, findings))
    manifest, labels = package.manifest, package.labels
    content = check("checksums", "comparing checksums", lambda: files.verified(package, findings))
    model = check("graph", "parsing the graph", lambda: graph.parsed(content))
    step = "comparing the graph with the manifest"
    check("contract", step, lambda: graph.as_promised(model, manifest))
    check("labels", "counting the classes", lambda: graph.classes_named(model, labels))
    return package, content


def _run(ledger: Ledger, package: ModelPackage, content: bytes, order: Mapping[str, Any]) -> None:
    """Everything that runs the model."""
    check, findings, announce = ledger.check, ledger.findings, ledger.announce
    step = "reading the golden images"
    golden = check("golden images", step, lambda: files.golden(package, findings))
    patience = speed.loading_patience(content, order)
    load = partial(speed.loaded, package, content, order, findings)
    trial = check("loading", "loading the model", load, patience)
    step = "running the golden images"
    rows = check("outputs", step, lambda: outputs.alone(trial, golden, announce))
    step = "comparing with the golden rows"
    check("agreement", step, lambda: outputs.agree(trial, rows, golden))
    check("noise", "running noise", lambda: outputs.noise(trial), trial.patience(4))
    measure = partial(speed.batches, trial, golden, rows, announce)
    findings |= check("batches", "measuring batches", measure, trial.patience(0))
    step = "checking the provider"
    check("provider", step, lambda: machine.placed(trial, order["provider"]))
