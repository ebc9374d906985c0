"""Both APIs refuse in one shape, know their parameters and describe themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from fastapi import Depends, HTTPException, Query
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict

from pipelines.access import RouteRule, RouteTable, Scope
from pipelines.http_api import HttpApi, RequestProblem

ROUTES = RouteTable(
    (
        RouteRule("GET", "/things", Scope.VIEWER),
        RouteRule("POST", "/things", Scope.OPERATOR),
        RouteRule("GET", "/open", None),
    )
)


@dataclass(frozen=True)
class Wanted:
    kind: Annotated[list[str] | None, Query()] = None
    since: int | None = None


class Options(BaseModel):
    size: int = 1


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    parts: list[int] = []


@pytest.fixture(scope="module")
def client() -> TestClient:
    api = HttpApi(ROUTES, title="Things", schemas={"More": {"type": "object"}})

    @api.get("/things")
    def things(
        wanted: Annotated[Wanted, Depends()],
        options: Annotated[Options, Query()],
        limit: Annotated[int, Query(ge=1)] = 5,
    ) -> dict[str, Any]:
        return {"kind": wanted.kind, "size": options.size, "limit": limit}

    @api.post("/things")
    def make(thing: Thing) -> str:
        if thing.name == "taken":
            raise RequestProblem(409, "it is taken", attribute="name", headers={"Retry-After": "9"})
        raise HTTPException(503, "no room", headers={"Retry-After": "7"})

    @api.get("/open")
    def fail() -> str:
        raise RuntimeError("hunter2")

    return TestClient(api, raise_server_exceptions=False)


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert (said["type"], said["status"]) == ("about:blank", status)
    assert said["title"]
    return said


def test_known_parameters_pass_and_lists_may_be_repeated(client: TestClient) -> None:
    answer = client.get("/things?kind=a&kind=b&size=3&limit=2")
    assert answer.json() == {"kind": ["a", "b"], "size": 3, "limit": 2}


@pytest.mark.parametrize(
    ("query", "parameter", "words"),
    [
        ("knd=a", "knd", "known parameters: kind, limit, since, size"),
        ("limit=0", "limit", "greater than or equal to 1"),
        ("limit=x&since=y", "since", "parameter 'limit'"),
        ("limit=1&limit=2", "limit", "one value"),
        ("size=1&size=2", "size", "one value"),
    ],
)
def test_a_parameter_is_refused_by_name(
    client: TestClient, query: str, parameter: str, words: str
) -> None:
    said = problem(client.get(f"/things?{query}"), 422)
    assert said["parameter"] == parameter
    assert words in said["detail"]
    assert "attribute" not in said


@pytest.mark.parametrize(
    ("body", "attribute"),
    [
        ({"name": "a", "parts": [1, "hunter2"]}, "parts.1"),
        ({"name": "a", "part": "hunter2"}, "part"),
        ({}, "name"),
        ([], None),
    ],
)
def test_a_body_is_refused_by_its_attribute_without_what_was_in_it(
    client: TestClient, body: Any, attribute: str | None
) -> None:
    answer = client.post("/things", json=body)
    said = problem(answer, 422)
    assert said.get("attribute") == attribute
    assert "hunter2" not in answer.text


def test_what_routes_refuse_keeps_its_headers(client: TestClient) -> None:
    taken = client.post("/things", json={"name": "taken"})
    assert problem(taken, 409)["attribute"] == "name"
    assert taken.headers["Retry-After"] == "9"
    full = client.post("/things", json={"name": "a"})
    assert problem(full, 503)["detail"] == "no room"
    assert full.headers["Retry-After"] == "7"


def test_failures_and_unknown_paths_are_problems_too(client: TestClient) -> None:
    answer = client.get("/open")
    problem(answer, 500)
    assert "hunter2" not in answer.text
    problem(client.get("/nothing"), 404)
    problem(client.delete("/things"), 405)


def test_a_parameter_of_a_route_without_any_is_refused(client: TestClient) -> None:
    for path in ("/openapi.json", "/docs"):
        assert problem(client.get(f"{path}?x=1"), 422)["parameter"] == "x"


def test_the_description_says_scopes_and_problems(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert "HTTPValidationError" not in described["components"]["schemas"]
    assert {"ProblemDetails", "More"} <= described["components"]["schemas"].keys()
    make = described["paths"]["/things"]["post"]
    assert make["security"] == [{"token": []}]
    assert "operator" in make["responses"]["403"]["description"]
    for status in ("401", "403", "422", "default"):
        content = make["responses"][status]["content"]
        assert content["application/problem+json"]["schema"]["$ref"].endswith("ProblemDetails")
    assert described["paths"]["/open"]["get"]["security"] == []
    assert "/docs" not in described["paths"]


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs")
    assert "http" not in page.text
    assert "'self'" in page.headers["Content-Security-Policy"]
    names = [
        piece.split('"')[0] for piece in page.text.replace("src=", "href=").split('href="')[1:]
    ]
    files = [name for name in names if name.startswith("docs/")]
    assert len(files) == 4
    for name in files:
        assert client.get(f"/{name}").status_code == 200, name
    problem(client.get("/docs/..%2Fapi_pages.py"), 404)
    problem(client.get("/docs/nothing.js"), 404)
