"""`ContractViolation`: why a graph file is not what may be packaged."""

from __future__ import annotations

MOST_CHARACTERS = 400


class ContractViolation(Exception):
    """The graph is not what its manifest promises; `remedy` says how to mend it."""

    def __init__(self, problem: str, remedy: str) -> None:
        # Names from a foreign file must not write to a terminal what they like.
        clean = "".join(one if one.isprintable() else "?" for one in problem)
        super().__init__(clean[:MOST_CHARACTERS])
        self.remedy = remedy
