"""What the control API answers about versions in the repository, whether they serve or not."""

from __future__ import annotations

from collections.abc import Sequence

from model_tools.evaluation.report import EvaluationReport, file_name, read_evaluations
from models.admission import AdmissionReport, read_report, why_not_admitted
from models.errors import ModelError
from models.package import CARD_FILE, Manifest, ModelPackage
from models.repository import Repository
from serving.api.answers import ApiAnswer


class VersionAnswer(ApiAnswer):
    """One version in the repository; `problem` says why it may not serve, empty if it may."""

    name: str
    version: str
    admitted: bool
    problem: str
    precision: str = ""
    tasks: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    width: int = 0
    height: int = 0


class VersionDetail(ApiAnswer):
    """Everything that is kept with a version; evaluations by the name of their data."""

    name: str
    version: str
    admitted: bool
    problem: str
    manifest: Manifest
    labels: tuple[str, ...]
    card: str
    admission: AdmissionReport | None
    evaluations: dict[str, EvaluationReport]


def version_answers(repository: Repository, name: str) -> Sequence[VersionAnswer]:
    """All versions of a name, oldest first; one that cannot be read says why."""
    return [_answer(repository, name, version) for version in repository.versions(name)]


def version_detail(package: ModelPackage) -> VersionDetail:
    """What is kept with a package."""
    problem = why_not_admitted(package)
    return VersionDetail.of(
        package,
        admitted=not problem,
        problem=problem,
        card=(package.directory / CARD_FILE).read_text(encoding="utf-8", errors="replace"),
        admission=read_report(package.directory),
        evaluations={file_name(one.data): one for one in read_evaluations(package.directory)},
    )


def _answer(repository: Repository, name: str, version: str) -> VersionAnswer:
    try:
        package = repository.find(name, version)
    except ModelError as error:
        return VersionAnswer(name=name, version=version, admitted=False, problem=str(error))
    problem, manifest = why_not_admitted(package), package.manifest
    return VersionAnswer.of(
        package, manifest, manifest.input, admitted=not problem, problem=problem
    )
