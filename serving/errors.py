"""What can go wrong while serving.

ServingError
├── ClusterError    Ray or Serve could not be started or reached
├── DirectorError   the director does not answer or was asked for a camera it does not know
└── RolloutError    a change of versions was refused; the versions in service stay
    └── RolloutBusy another change of the same model is under way
"""

from __future__ import annotations


class ServingError(Exception):
    """Base of this package's errors; the text says what happened and what to do."""


class ClusterError(ServingError):
    """Ray or Ray Serve could not be started or reached."""


class DirectorError(ServingError):
    """The director does not answer, or does not know what it was asked for."""


class RolloutError(ServingError):
    """A change of versions was refused; the versions in service stay as they are."""


class RolloutBusy(RolloutError):
    """Another change is under way; try again when it is done."""
