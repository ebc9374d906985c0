"""Which version serves where nobody names one: the newest number that was admitted.

The same version in another precision serves where somebody names it, or where a city has measured
that it is faster.
"""

from __future__ import annotations

from models.admission.report import why_not_admitted
from models.errors import ModelError, NotAdmittedError
from models.package import ModelPackage
from models.repository import Repository
from models.version import plain_version


def admitted(repository: Repository, name: str, version: str | None = None) -> ModelPackage:
    """A package that may serve: the version that is named, or the newest one that was admitted.

    Raises:
        UnknownModelError: There is no such package.
        NotAdmittedError: The version was not admitted, or none of them was.
        ModelError: The version that is named cannot be used.
    """
    if version is not None:
        return _admitted(repository.find(name, version))
    newest: ModelError | None = None
    plain = [one for one in repository.versions(name) if one == plain_version(one)]
    for candidate in reversed(plain):
        try:
            return _admitted(repository.find(name, candidate))
        except ModelError as error:
            newest = newest or error
    if newest is not None:
        raise newest
    return repository.find(name)


def _admitted(package: ModelPackage) -> ModelPackage:
    reason = why_not_admitted(package)
    if reason:
        raise NotAdmittedError(str(package), f"is not admitted: {reason}")
    return package
