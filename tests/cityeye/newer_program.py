"""A newer version of this program: the same files, with other rules and sets of rules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
RULES = Path("pipelines/rules")
SCRIPT = """
import contextlib, io, json, sys
from cityeye.cli import main
answers = []
for arguments in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main(arguments)
    answers.append((status, said.getvalue()))
print(json.dumps(answers))
"""


class NewerProgram:
    """Its files in a folder; those that are the same are links."""

    def __init__(self, folder: Path, changed: Mapping[str, str]) -> None:
        """`changed` are the texts of files in `pipelines/rules`, changed or added, by name."""
        self.folder = folder
        _link(ROOT / "docs", folder / "docs")
        for path in ROOT.iterdir():
            if path.is_dir() and (path / "__init__.py").is_file() and path.name != "pipelines":
                _link(path, folder / path.name)
        for path in (ROOT / "pipelines").iterdir():
            if path.name != RULES.name:
                _link(path, folder / "pipelines" / path.name)
        for path in (ROOT / RULES).iterdir():
            if path.name not in changed:
                _link(path, folder / RULES / path.name)
        for name, text in changed.items():
            (folder / RULES / name).write_text(text, encoding="utf-8")

    def run(self, *calls: Sequence[str]) -> list[tuple[int, str]]:
        """Exit status and words of each call of its command line, one after the other."""
        return [(status, words) for status, words in json.loads(self.evaluate(SCRIPT, *calls))]

    def evaluate(self, script: str, *arguments: object) -> str:
        """What a script prints, which gets `arguments` as JSON."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", script, json.dumps(arguments)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout


def written(name: str) -> str:
    """The text of a file in `pipelines/rules` as it is."""
    return (ROOT / RULES / name).read_text(encoding="utf-8")


def _link(target: Path, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
