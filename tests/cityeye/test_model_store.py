"""Models from a store: the configuration names it, the command line publishes to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import cityeye.cli
from benchmarks.chaos.swift_server import ACCESS_KEY, SECRET_KEY
from cityeye.cli import main
from cityeye.config import ConfigurationError, load_config
from cityeye.config.schema import ModelsSection
from cityeye.plan import city_plan
from models.repository import ModelRepository
from pipelines.delivery.sinks.http import HttpSinkSettings
from pipelines.delivery.stores.s3 import S3Bucket
from serving.model_source import RemotePackage

CAMERAS = """\
cameras: [{id: gate, source: rtsp://10.0.0.5/live, tasks: {traffic: {model: traffic}}}]
hub: {}
models:
"""
STORE = """\
  url: s3://models/xinjin
  endpoint: http://127.0.0.1:9
  access_key: AKIA-hunter1
  secret_key: hunter2-secret
"""


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch):
    """The process's logging belongs to pytest."""
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)


@pytest.fixture
def keys(s3_server, monkeypatch, tmp_path) -> dict[str, str]:
    """The environment of a person who may use the store."""
    environment = {
        "CITYEYE_MODELS_ENDPOINT": f"http://{s3_server.endpoint}",
        "CITYEYE_MODELS_ACCESS_KEY": ACCESS_KEY,
        "CITYEYE_MODELS_SECRET_KEY": SECRET_KEY,
        "XDG_CACHE_HOME": str(tmp_path / "home"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


def problems_of(tmp_path: Path, models: str):
    file = tmp_path / "city.yaml"
    file.write_text(CAMERAS + models, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_config(file, {})
    assert not any("hunter" in str(problem) for problem in caught.value.problems)
    return {(problem.line, problem.key): str(problem) for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("good", "bad", "line", "key", "said"),
    [
        ("s3://models/xinjin", "gs://models/x", 4, "models.url", "`gs` is not a kind of model"),
        ("s3://models/xinjin", "s3://m/x", 4, "models.url", "Write s3://BUCKET/PREFIX."),
        ("s3://models/xinjin", "packages", 4, "models.url", "it is no address"),
        ("http://127.0.0.1:9", "ftp://store", 5, "models.endpoint", "https://HOST:PORT"),
        ("127.0.0.1:9", "hunter:hunter@store", 5, "models.endpoint", "holds a login"),
        ("127.0.0.1:9", "store:9000/bucket", 5, "models.endpoint", "has a path"),
        ("  endpoint: http://127.0.0.1:9\n", "", 3, "models.endpoint", "is missing"),
        ("  secret_key: hunter2-secret\n", "", 3, "models.secret_key", "is missing"),
        ("hunter2-secret", "${UNSET:-}", 7, "models.secret_key", "is missing"),
        ("127.0.0.1:9", "127.0.0.1:99999", 5, "models.endpoint", "from 1 to 65535"),
        ("  url: s3://models/xinjin\n", "", 4, "models.endpoint", "no `url` is given"),
        ("  url:", "  path: .\n  url:", 5, "models.url", "both `path` and `url` are given"),
        ("", "", 4, "models.url", "bucket models at 127.0.0.1:9 does not answer"),
        ("", "", 4, "models.url", "Check that it runs at this address"),
    ],
)
def test_a_mistake(tmp_path, good, bad, line, key, said):
    assert good in STORE
    problems = problems_of(tmp_path, STORE.replace(good, bad, 1))
    assert said in problems.get((line, key), str(problems))
    assert (line, key) in problems


def test_a_store_that_is_down_is_one_problem_and_hides_no_other(tmp_path):
    problems = problems_of(tmp_path, STORE + "  threads: 0\n")
    assert set(problems) == {(4, "models.url"), (8, "models.threads")}


def test_the_store_that_the_example_shows_is_good(tmp_path):
    text = (Path(__file__).parents[2] / "examples" / "city.yaml").read_text("utf-8")
    shown = text.split("models push` publishes to:\n")[1].split("  threads:")[0]
    section = yaml.safe_load(re.sub("(?m)^  # ", "  ", shown))
    source = ModelsSection.model_validate(section, context={"base": tmp_path}).source
    assert str(source.open()) == "bucket models at minio.example:9000, xinjin/"
    assert ModelsSection.model_validate({}, context={"base": tmp_path}).region == section["region"]
    assert section["cache"] == "var/models"


@pytest.mark.integration
def test_a_file_with_a_store_is_checked_and_planned(tmp_path, packages, s3_server):
    store = STORE.replace("127.0.0.1:9", s3_server.endpoint).replace("xinjin", "planned")
    store = store.replace("AKIA-hunter1", ACCESS_KEY).replace("hunter2-secret", SECRET_KEY)
    file = tmp_path / "city.yaml"
    file.write_text(CAMERAS + store, encoding="utf-8")
    S3Bucket(s3_server.settings("models")).make()
    with pytest.raises(ConfigurationError, match=r"holds no model package.*cityeye models push"):
        load_config(file, {})
    section = ModelsSection.model_validate(yaml.safe_load(store), context={"base": tmp_path})
    section.source.open().publish(ModelRepository(packages).find("traffic"))
    config = load_config(file, {})
    plan = city_plan(config, HttpSinkSettings(url="http://hub/events"))
    (model,) = plan.models
    assert isinstance(model.args.package, RemotePackage)
    assert (model.args.package.name, model.args.package.version) == ("traffic", "2")
    assert model.args.package.cache == tmp_path / "var" / "models"
    assert SECRET_KEY not in f"{config!r} {plan!r}"


@pytest.mark.integration
@pytest.mark.usefixtures("keys")
def test_a_package_is_pushed_listed_shown_and_pulled(tmp_path, packages, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    place = "s3://models/command-line"
    push = ["models", "push", "traffic/1", "--path", str(packages), "--to", place]
    for said in ("traffic/1 is in bucket models at", "traffic/1 was in bucket models at"):
        assert main(push) == 0
        assert capsys.readouterr().out.startswith(said)
    assert main(["models", "list", "--path", place]) == 0
    assert "traffic/1" in capsys.readouterr().out
    assert main(["models", "show", "traffic", "--path", place]) == 0
    assert "licence: MIT" in capsys.readouterr().out
    target = tmp_path / "pulled"
    assert main(["models", "pull", "traffic", "--from", place, "--to", str(target)]) == 0
    assert capsys.readouterr().out == f"traffic/1 is in {target}\n"
    pulled = ModelRepository(target).find("traffic")
    assert pulled.manifest == ModelRepository(packages).find("traffic", "1").manifest


@pytest.mark.integration
@pytest.mark.usefixtures("keys")
def test_a_published_version_cannot_be_pushed_over(tmp_path, packages, capsys):
    place = "s3://models/pushed-over"
    assert main(["models", "push", "traffic/1", "--path", str(packages), "--to", place]) == 0
    other = tmp_path / "other"
    ModelRepository(other).publish(ModelRepository(packages).find("traffic", "1"))
    card = other / "traffic" / "1" / "CARD.md"
    card.write_text("# Another card\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["models", "push", "traffic/1", "--path", str(other), "--to", place]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "traffic/1/CARD.md is published in" in err
    assert "publish under a new version" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("place", "environment", "said"),
    [
        ("gs://models", {}, "`gs` is not a kind of model repository"),
        ("s3://models", {}, "set CITYEYE_MODELS_ENDPOINT=https://HOST:PORT"),
        ("s3://models", {"ENDPOINT": "http://127.0.0.1:9"}, "set CITYEYE_MODELS_ACCESS_KEY"),
        ("s3://models", {"ENDPOINT": "http://store/path"}, "set CITYEYE_MODELS_ACCESS_KEY"),
        (
            "s3://models",
            {"ENDPOINT": "http://127.0.0.1:9/x", "ACCESS_KEY": "a", "SECRET_KEY": "hunter2"},
            "host:port",
        ),
        (
            "s3://models",
            {"ENDPOINT": "http://127.0.0.1:9", "ACCESS_KEY": "a", "SECRET_KEY": "hunter2"},
            "bucket models at 127.0.0.1:9 does not answer",
        ),
    ],
)
def test_a_store_that_cannot_be_reached_is_one_sentence(
    monkeypatch, capsys, place, environment, said
):
    for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY", "REGION"):
        monkeypatch.delenv(f"CITYEYE_MODELS_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(f"CITYEYE_MODELS_{name}", value)
    assert main(["models", "list", "--path", place]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "hunter2" not in err
    assert err.count("\n") == 1


def test_a_command_that_needs_no_store_does_without_its_client(packages):
    code = (
        "import sys\nfrom cityeye.cli import main\n"
        f"status = main(['models', 'list', '--path', {str(packages)!r}])\n"
        "sys.exit('minio was loaded' if 'minio' in sys.modules else status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
