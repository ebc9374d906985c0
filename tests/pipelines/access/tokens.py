"""Every kind of credential that a server may be shown, for authorisation matrices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pipelines.access import RouteTable, Scope, TokenFile

SCOPES = (Scope.SENDER, Scope.VIEWER, Scope.OPERATOR, Scope.ENGINEER, Scope.ADMIN)


@dataclass(frozen=True)
class Credentials:
    """Texts of `Authorization` headers by what is wrong with them, and valid ones by scope."""

    refused: dict[str, str | None]
    valid: dict[Scope, str]

    def cases(self, needed: Scope | None) -> list[tuple[str, str | None, int]]:
        """What is shown, and 401, 403 or 0 for whatever the application answers."""
        if needed is None:
            return [(name, shown, 0) for name, shown in self.refused.items()]
        cases: list[tuple[str, str | None, int]] = [
            (name, shown, 401) for name, shown in self.refused.items()
        ]
        for scope, shown in self.valid.items():
            cases.append((scope, shown, 0 if scope.allows(needed) else 403))
        return cases


def credentials(tokens: TokenFile) -> Credentials:
    """Makes them; the file must be prepared."""
    valid = {scope: f"Bearer {tokens.issue(scope, scope)}" for scope in SCOPES}
    good = valid[Scope.ADMIN]
    revoked = tokens.issue("gone", Scope.ADMIN)
    tokens.revoke("gone")
    expired = tokens.issue("old", Scope.ADMIN, timedelta(microseconds=1))
    token_id = good.split("_")[1]
    return Credentials(
        refused={
            "none": None,
            "malformed": "Bearer nonsense",
            "empty": "Bearer ",
            "not ASCII": "Bearer cye_\xe9_\xe9",
            "another scheme": good.replace("Bearer", "Basic"),
            "right id, wrong secret": f"Bearer cye_{token_id}_{'A' * 43}",
            "unknown id": f"Bearer cye_000000000000_{good.rpartition('_')[2]}",
            "one byte more": f"{good}A",
            "a link": f"Bearer {tokens.issue('link', Scope.ADMIN, once=True)}",
            "revoked": f"Bearer {revoked}",
            "expired": f"Bearer {expired}",
        },
        valid=valid,
    )


def needed_scope(routes: RouteTable, method: str, path: str) -> Scope | None:
    """The scope that a route of a description needs. A route that nobody declared fails here."""
    rule = routes.find(method, path)
    assert rule is not None, f"{method} {path} is in no table: nobody can use it"
    return rule.scope
