"""What a package gives to others is what its `__init__` exports; nobody reaches deeper."""

from __future__ import annotations

import ast
import importlib
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = [name for name in PROJECT["tool"]["importlinter"]["root_packages"] if name != "k8s"]
SUB_PACKAGES = {
    "benchmarks": (
        "chaos.campaign",
        "chaos.combined",
        "city_path.simulated_city",
        "compare",
        "decode",
        "detect",
        "gpu",
        "gpu_capacity",
        "hub",
        "incidents",
        "outbox",
        "output",
        "overload",
        "pipeline",
        "precision",
        "profiling",
        "recorded_street",
        "report",
        "result",
        "results_page",
        "scale",
        "serve",
        "signals",
        "soak",
        "streams",
        "street",
        "street_hook",
        "street_spec",
        "subject",
        "trace",
        "tracker",
    ),
    "camera_adapters": ("onvif",),
    "model_tools": (
        "admission",
        "catalogue",
        "evaluation",
        "graph",
        "heads",
        "importing",
        "precision",
        "sandbox",
    ),
    "models": ("admission", "detections", "graph"),
    "pipelines": (
        "access",
        "delivery",
        "event",
        "event_case",
        "event_evidence",
        "event_identity",
        "event_incident",
        "event_schemas",
        "free_memory",
        "http_api",
        "keyframe_key",
        "replay",
        "rules",
        "shadow",
        "signals",
        "tracing",
    ),
    "serving": ("api", "capacity", "rollout"),
    "simulation": ("rtsp_server", "scenes", "training"),
}
"""What others may import from beside the package itself, by name.

Modules stand here where a contract lets somebody see them and nothing else of their package.
"""

SURFACES = {
    *PACKAGES,
    *(f"{package}.{name}" for package, names in SUB_PACKAGES.items() for name in names),
}
COMMANDS = {"simulation.rtsp_server.__main__"}
"""Programs of their own that the command line starts."""


def imports(source: str) -> Iterator[tuple[str, str]]:
    """Modules and names that a file imports from."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, one.name) for one in node.names)
        elif isinstance(node, ast.Import):
            yield from ((one.name, "") for one in node.names)


def trespasses(package: str, source: str) -> list[str]:
    """Imports that reach into another package below its surface."""
    return [
        f"{module} ({name})"
        for module, name in imports(source)
        if module.split(".")[0] in set(PACKAGES) - {package} and module not in SURFACES | COMMANDS
    ]


def taken() -> dict[str, set[str]]:
    """Names by surface that other packages import."""
    found: dict[str, set[str]] = defaultdict(set)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for module, name in imports(path.read_text(encoding="utf-8")):
                if module in SURFACES and module.split(".")[0] != package and name:
                    found[module].add(name)
    return found


def is_package(surface: str) -> bool:
    return (ROOT / surface.replace(".", "/") / "__init__.py").exists()


@pytest.mark.parametrize("package", PACKAGES)
def test_nobody_reaches_deeper(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    found = {
        str(path.relative_to(ROOT)): trespasses(package, path.read_text(encoding="utf-8"))
        for path in files
    }
    assert {path: deep for path, deep in found.items() if deep} == {}


@pytest.mark.parametrize(
    "source",
    ["from pipelines.delivery.outbox import Outbox", "import models.package", "import models.x.y"],
)
def test_reaching_deeper_is_noticed(source):
    assert trespasses("serving", source)


def test_what_others_import_is_exported_and_nothing_else():
    for surface, names in taken().items():
        if not is_package(surface):
            continue
        exported = set(importlib.import_module(surface).__all__)
        assert names <= exported, f"{surface} does not export {sorted(names - exported)}"
        if "." not in surface:
            assert exported <= names, f"{surface}: nobody imports {sorted(exported - names)}"


@pytest.mark.parametrize("surface", sorted(filter(is_package, SURFACES)))
def test_every_exported_name_is_there(surface):
    module = importlib.import_module(surface)
    for name in getattr(module, "__all__", ()):
        assert getattr(module, name) is not None
        assert not name.startswith("_")


def test_no_type_name_stands_in_two_files():
    homes: dict[str, set[str]] = defaultdict(set)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                for name in type_names(node):
                    homes[name].add(str(path.relative_to(ROOT)))
    assert len(homes) > 300
    assert {name: sorted(files) for name, files in homes.items() if len(files) > 1} == {}


def type_names(node: ast.stmt) -> Iterator[str]:
    """Public classes and type aliases of a statement."""
    if isinstance(node, ast.ClassDef):
        names = [node.name]
    elif isinstance(node, ast.Assign):
        names = [one.id for one in node.targets if isinstance(one, ast.Name)]
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        names = [node.target.id]
    else:
        names = []
    return (name for name in names if name[0].isupper() and len(name) > 1 and not name.isupper())
