"""The architecture page and the import contracts are true, and each contract can fail."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
IMPORTS = PROJECT["tool"]["importlinter"]
CONTRACTS = {contract["id"]: contract["name"] for contract in IMPORTS["contracts"]}
PACKAGES = IMPORTS["root_packages"]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
LINT = Path(sys.executable).with_name("lint-imports")
MAX_LINES = 400
MAX_TEST_LINES = 500

OFFENCES = {
    "layers": ("pipelines/rules/zone.py", "import serving.errors"),
    "acyclic": ("camera_adapters/geometry.py", "import camera_adapters.frame"),
    "simulation": ("serving/api/versions.py", "import simulation.scenes"),
    "test-street": ("simulation/clips.py", "import pipelines.event"),
    "workshop": ("model_tools/shipped_images.py", "import camera_adapters.geometry"),
    "workshop-door": ("serving/director.py", "import model_tools.precision.ranges"),
    "serving-path": ("serving/served_models.py", "import model_tools.admission"),
    "pipelines": ("pipelines/track.py", "import models.detector"),
    "event": ("pipelines/event.py", "import pipelines.track"),
    "access": ("pipelines/access/scope.py", "import pipelines.event"),
    "http-api": ("pipelines/http_api/description.py", "import pipelines.track"),
    "hub": ("event_hub/errors.py", "import pipelines.plan"),
    "training": ("serving/errors.py", "import simulation.training.network"),
    "ray": ("cityeye/errors.py", "import ray"),
    "onnxruntime": ("models/package.py", "import onnxruntime"),
    "torch": ("models/package.py", "import torch"),
    "av": ("pipelines/keyframe.py", "import av"),
    "matplotlib": ("benchmarks/rounds.py", "import matplotlib"),
    "trackers": ("pipelines/tracker.py", "import trackers"),
    "shapely": ("pipelines/rules/zone_tracks.py", "import shapely"),
    "kafka": ("pipelines/delivery/relay.py", "import confluent_kafka"),
    "mqtt": ("pipelines/delivery/relay.py", "import paho.mqtt.client"),
    "minio": ("serving/camera_worker.py", "import minio"),
    "opentelemetry": ("pipelines/delivery/relay.py", "import opentelemetry.sdk.trace"),
    "hub-libraries": ("serving/api/control_api.py", "import nicegui"),
}
"""For each contract a file and an import that it must not have."""


def lint_imports(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def longer_than(lines: int, folders: list[str]) -> dict[str, int]:
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    lengths = {str(path): len(path.read_text("utf-8").splitlines()) for path in paths}
    return {path: length for path, length in lengths.items() if length > lines}


BREAK_EACH = """
import contextlib, io, json, pathlib, sys
from importlinter.cli import lint_imports_command
answers = {}
for contract, (file, offence) in json.load(sys.stdin).items():
    path, said = pathlib.Path(file), io.StringIO()
    innocent = path.read_text("utf-8")
    path.write_text(f"{innocent}\\n{offence}\\n", "utf-8")
    try:
        with contextlib.redirect_stdout(said):
            lint_imports_command(["--contract", contract])
    except SystemExit as end:
        answers[contract] = (end.code, said.getvalue())
    finally:
        path.write_text(innocent, "utf-8")
json.dump(answers, sys.stdout)
"""
"""Breaks one contract after the other in a copy of the code; all in a process that imports once."""


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> dict[str, tuple[int, str]]:
    """Exit status and report of each contract under its offence, which was the only one then."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__", "*.onnx", "*.md", "*.mp4", "*.png")
        shutil.copytree(ROOT / package, folder / package, ignore=ignore)
    done = subprocess.run(
        [sys.executable, "-c", BREAK_EACH],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "COLUMNS": "200"},
        input=json.dumps(OFFENCES),
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return json.loads(done.stdout)


def test_every_contract_is_kept():
    done = lint_imports(ROOT, "--no-cache")
    assert done.returncode == 0, done.stdout
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in done.stdout


def test_there_is_an_offence_for_every_contract():
    assert set(OFFENCES) == set(CONTRACTS)


@pytest.mark.slow
@pytest.mark.parametrize("contract", OFFENCES)
def test_a_contract_is_broken_by_an_import_against_it(broken, contract):
    status, report = broken[contract]
    assert status == 1, report
    assert f"{CONTRACTS[contract]} BROKEN" in report


def test_the_page_states_the_contracts_that_are_enforced():
    rules = section("Who may import whom")
    assert re.findall(r"^- (.+)$", rules, re.MULTILINE) == list(CONTRACTS.values())
    stated = [re.findall(r"`(\w+)`", line) for line in re.findall(r"^\d+\. (.+)$", rules, re.M)]
    (layers,) = [c["layers"] for c in IMPORTS["contracts"] if c["id"] == "layers"]
    assert stated == [layer.split(" | ") for layer in layers]
    assert {name for line in stated for name in line} == set(PACKAGES) - {"k8s"}


@pytest.mark.parametrize(
    "title",
    [
        "Packages",
        "One frame",
        "Who replaces whom",
        "The nouns",
        "Versions on live cameras",
        "Why it is so",
    ],
)
def test_every_name_on_the_page_exists(title):
    names = [
        name
        for name in re.findall(r"`([a-z_0-9]+(?:\.\w+)*)`", section(title))
        if name.split(".")[0] in PACKAGES
    ]
    assert names
    missing = [name for name in names if not exists(name)]
    assert not missing, f"the architecture page names what is not there: {', '.join(missing)}"


@pytest.mark.parametrize(
    "name", ["pipelines.nothing", "pipelines.batcher.Nothing", "pipelines.batcher.MicroBatcher.no"]
)
def test_a_name_that_is_not_there_is_noticed(name):
    assert not exists(name)


def exists(name: str) -> bool:
    """Whether a dotted name is a package, a module, or a function, class or method in one."""
    place, parts = ROOT, name.split(".")
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    if not parts:
        return True
    module = place / f"{parts[0]}.py"
    if module.is_file():
        parts.pop(0)
    else:
        module = place / "__init__.py"
    nodes: list[ast.stmt] = ast.parse(module.read_text(encoding="utf-8")).body
    for part in parts:
        imported = {
            alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
        }
        bodies = {
            node.name: node.body
            for node in nodes
            if isinstance(node, ast.ClassDef | ast.FunctionDef)
        }
        if part not in bodies:
            return part in imported and part == parts[-1]
        nodes = bodies[part]
    return True


def test_our_packages_are_the_ones_that_are_imported():
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin == str(ROOT / package / "__init__.py"), "a foreign package is in the way"


def test_packages_import_nothing_heavy_by_themselves():
    code = (
        f"import sys\nimport {', '.join(PACKAGES)}\n"
        "heavy = {'ray', 'onnx', 'onnxruntime', 'cv2', 'av', 'nicegui', 'fastapi', 'torch'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_director_does_not_load_what_only_others_need():
    """Half a second of the start each, and memory."""
    code = (
        "import sys, serving.director\n"
        "heavy = {'fastapi', 'ray.serve', 'scipy'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_no_file_is_longer_than_a_room():
    assert not longer_than(MAX_LINES, PACKAGES)
    assert not longer_than(MAX_TEST_LINES, ["tests"])


def test_every_test_folder_is_a_package():
    """Otherwise a folder `tests/models` would be imported as `models`."""
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").exists()]


def test_the_lock_names_public_hosts_only():
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://([^/\"]+)", lock)) == {"pypi.org", "files.pythonhosted.org"}
