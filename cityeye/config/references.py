"""Checks what refers to what: ids, zones, models, rules, ports.

Works on the document as written, not on validated sections, so that a mistake in one place does not
hide the next one. What has the wrong type is skipped: the schema has reported it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final, get_args

from pydantic import ValidationError

from cityeye.config.catalogue import Catalogue
from cityeye.config.document import Document
from cityeye.config.listeners import LOOPBACK, check_ports
from cityeye.config.mistakes import report_mistakes
from cityeye.config.problem import Key, choice, listing, sentence
from cityeye.config.rates import check_rates, task_rules
from cityeye.config.rule_options import VERSION, RuleOptions, options_of, parameters_of
from cityeye.config.streams import check_streams
from models import ModelError, ModelPackage, Precision, UnknownModelError, in_precision
from models.detections import plain_label
from pipelines.access import is_loopback
from pipelines.delivery import KEYFRAME_STORES
from pipelines.rules import RuleType, versions_of
from serving import OWN_RAY

ALL_NODES = "all"
"""Of `workers: {nodes: ...}`."""

PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
NEEDED_STORE_KEYS = ("endpoint", "access_key", "secret_key")
STORE_KEYS = (*NEEDED_STORE_KEYS, "region", "cache")


def check_references(document: Document, catalogue: Catalogue) -> None:
    """Adds a problem for everything that names what does not exist, or exists twice."""
    _check_camera_ids(document)
    check_ports(document)
    _check_exposure(document)
    _check_destinations(document)
    _check_masking(document)
    _check_nodes(document)
    _check_models(document, catalogue)
    _check_precision(document, catalogue)
    for key, camera in _cameras(document):
        if camera.get("password") is not None and camera.get("username") is None:
            document.report((*key, "password"), "a password without a name", "Add `username:`.")
        elif "password" in camera and camera["password"] is None:
            remedy = 'Give the password in quotes, `""` for none.'
            document.report((*key, "password"), "the value is missing", remedy)
        check_streams(document, key, camera)
        _check_places(document, key, camera)
        _check_measurements(document, catalogue, (*key, "measurements"), camera)
        for task, entry in _mapping(camera, "tasks").items():
            _check_task(document, catalogue, camera, (*key, "tasks", task), entry)


def _cameras(document: Document) -> Iterator[tuple[Key, dict[str, Any]]]:
    cameras = document.data.get("cameras")
    for index, camera in enumerate(cameras if isinstance(cameras, list) else ()):
        if isinstance(camera, dict):
            yield ("cameras", index), camera


def _mapping(parent: dict[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _check_camera_ids(document: Document) -> None:
    first: dict[str, int] = {}
    for key, camera in _cameras(document):
        name = camera.get("id")
        if not isinstance(name, str):
            continue
        if name in first:
            what = f"the id `{name}` is already taken by the camera on line {first[name]}"
            document.report((*key, "id"), what, "Give every camera an id of its own.")
        else:
            first[name] = document.line((*key, "id"))


def _check_exposure(document: Document) -> None:
    """Checks that what is reached from other machines has TLS, or says that it needs none."""
    for name in ("api", "hub"):
        section = _mapping(document.data, name)
        certificate, key = section.get("certificate"), section.get("key")
        if (certificate is None) != (key is None):
            given, missing = (
                ("key", "certificate") if certificate is None else ("certificate", "key")
            )
            document.report((name, given), f"no `{missing}` is given", f"Add `{missing}:`.")
        host = section.get("host", LOOPBACK)
        if not isinstance(host, str) or is_loopback(host) or certificate is not None:
            continue
        if section.get("without_tls") is not True:
            what = f"`{host}` is reached from other machines, and there is no TLS"
            remedy = (
                "Give `certificate:` and `key:`, or `without_tls: true` behind a reverse proxy."
            )
            document.report((name, "host"), what, remedy)


def _check_destinations(document: Document) -> None:
    keyframes = document.data.get("keyframes")
    if isinstance(keyframes, dict):
        kinds = KEYFRAME_STORES
        given = [f"`{name}`" for name in kinds if keyframes.get(name) is not None]
        if len(given) != 1:
            what = f"{' and '.join(given)} are given" if given else "no store is given"
            remedy = f"Give one of {', '.join(f'`{name}:`' for name in kinds)}."
            document.report(("keyframes",), what, remedy)
    _check_sink_names(document)
    if not document.data.get("sinks") and "hub" not in document.data:
        what = "nobody would receive the events: there is no `hub` and no `sinks`"
        remedy = "Add `hub: {}` for the embedded hub, or `sinks:` with the city's own."
        document.report((), what, remedy)


def _check_nodes(document: Document) -> None:
    """Warns of what other machines of a cluster cannot reach, and of labels that do not count."""
    if _mapping(document.data, "workers").get("nodes") != ALL_NODES:
        for key, camera in _cameras(document):
            if camera.get("node"):
                what = "labels of machines do not count, as this machine watches all cameras"
                remedy = "Write `workers: {nodes: all}` on a Ray cluster, or remove `node:`."
                document.warn((*key, "node"), what, remedy)
        return
    if _mapping(document.data, "ray").get("address", OWN_RAY) == OWN_RAY:
        what = "a Ray of this machine alone has no other machines"
        remedy = "Name the cluster as `ray: {address: auto}`, or write `nodes: here`."
        document.report(("workers", "nodes"), what, remedy)
    if _mapping(document.data, "keyframes").get("folder") is not None:
        what = "the folder has to be one that all machines of the cluster share"
        remedy = "Give a store as `s3:`, or mount one folder at this path on all of them."
        document.warn(("keyframes", "folder"), what, remedy)
    host = _mapping(document.data, "hub").get("host", LOOPBACK)
    address = str(_mapping(document.data, "ray").get("address"))
    on_loopback = is_loopback(address.rpartition(":")[0])
    if "hub" in document.data and not on_loopback and isinstance(host, str) and is_loopback(host):
        what = f"workers on other machines cannot deliver to a hub at {host}"
        remedy = "Give an address that they reach as `host:` of `hub:`."
        document.warn(("hub", "host"), what, remedy)


def _check_masking(document: Document) -> None:
    """Warns where keyframes show heads and plates."""
    keyframes = _mapping(document.data, "keyframes")
    what = "heads and plates can be recognised in the keyframes{}, and in what receivers get"
    remedy = "Remove it, or write `masking: on`; clean images are kept besides."
    if keyframes.get("masking") is False:
        document.warn(("keyframes", "masking"), what.format(""), remedy)
    for key, camera in _cameras(document):
        if camera.get("masking") is False:
            own = what.format(f" of camera {camera.get('id', '')}")
            document.warn((*key, "masking"), own, remedy)


def _check_sink_names(document: Document) -> None:
    sinks = document.data.get("sinks")
    first: dict[str, int] = {}
    for index, sink in enumerate(sinks if isinstance(sinks, list) else ()):
        if not isinstance(sink, dict) or not isinstance(sink.get("url"), str):
            continue
        # As `SinkSettings` has it: delivery progress is kept under this name.
        name = sink.get("name") or sink["url"].partition("://")[2].partition("?")[0]
        key = ("sinks", index, "name" if sink.get("name") else "url")
        if name in first:
            what = f"the sink on line {first[name]} has the same name, which keeps its progress"
            document.report(key, what, "Give every sink a `name:` of its own.")
        else:
            first[name] = document.line(key)


def _check_models(document: Document, catalogue: Catalogue) -> None:
    section = _mapping(document.data, "models")
    if section.get("url") is None:
        for key in set(STORE_KEYS).intersection(section):
            document.report(("models", key), "no `url` is given", "Add `url: s3://BUCKET/PREFIX`.")
    elif section.get("path") is not None:
        what = "both `path` and `url` are given"
        document.report(("models", "url"), what, "Give either `path:` or `url:`.")
    for key in NEEDED_STORE_KEYS if section.get("url") is not None else ():
        if not section.get(key):
            remedy = f"Add `{key}:`; see examples/city.yaml."
            document.report(("models", key), "the key or its value is missing", remedy)
    if catalogue.fault is not None:
        fault = catalogue.fault
        document.report(("models", "url"), fault.problem, sentence(fault.remedy))
    elif catalogue.is_empty and section.get("url") is not None:
        remedy = "Publish one: cityeye models push NAME --path FOLDER --to s3://BUCKET/PREFIX."
        document.report(("models", "url"), "the store holds no model package", remedy)
    elif catalogue.is_empty:
        remedy = "Name a folder with NAME/VERSION/model.yaml below it."
        document.report(("models", "path"), "the folder holds no model package", remedy)


def _check_precision(document: Document, catalogue: Catalogue) -> None:
    """Checks that the models that the file names have the precision that it wants."""
    said = _mapping(document.data, "models").get("precision")
    wanted = next((one for one in PRECISIONS if one == said), None)
    if wanted is None:
        return
    named = {
        entry["model"]
        for _, camera in _cameras(document)
        for entry in _mapping(camera, "tasks").values()
        if isinstance(entry, dict) and isinstance(entry.get("model"), str)
    }
    for name in sorted(one for one in named if "/" not in one):
        with contextlib.suppress(ModelError):
            package = catalogue.find_model(name)
            if package.manifest.precision == wanted:
                continue
            version = in_precision(package.version, wanted)
            try:
                catalogue.find_model(f"{name}/{version}")
            except ModelError:
                what = f"there is no {name}/{version} that was admitted"
                remedy = f"Write `auto`, or `{package.manifest.precision}`."
                document.report(("models", "precision"), what, remedy)


def _check_task(
    document: Document, catalogue: Catalogue, camera: dict[str, Any], key: Key, entry: object
) -> None:
    task = str(key[-1])
    if task not in catalogue.tasks:
        document.report(key, "the task is unknown", choice(task, catalogue.tasks, "tasks"))
    if not isinstance(entry, dict):
        return
    for noun in ("zone", "line"):
        _check_names(document, (*key, f"{noun}s"), entry, _mapping(camera, f"{noun}s"))
    _check_rule_set(document, catalogue, (*key, "rule_set"), entry)
    if isinstance(entry.get("model"), str) and catalogue.models:
        package = _check_model(document, catalogue, (*key, "model"), entry["model"])
        if package is not None:
            _check_thresholds(document, package, (*key, "thresholds", "classes"), entry)
    check_rates(document, catalogue, key, entry)
    _check_time_zone(document, (*key, "schedule"), entry)
    versions = {one.kind: one.version for one in task_rules(task, entry, catalogue.kept)}
    for kind, parameters in _mapping(entry, "rules").items():
        _check_rule(document, catalogue, (*key, "rules", kind), parameters, versions.get(kind, ""))
        _check_options(document, (*key, "rules", kind), parameters)
        rule = catalogue.find_rule(kind, versions.get(kind, ""))
        if rule is not None:
            _check_inputs(document, rule, (*key, "rules", kind), entry, camera)


def _check_names(
    document: Document, key: Key, entry: dict[str, Any], known: dict[str, Any]
) -> None:
    """Checks the names of zones or of lines in a task."""
    nouns = str(key[-1])
    noun = nouns.removesuffix("s")
    given = entry.get(nouns)
    wanted: list[object] = given if isinstance(given, list) else []
    for index, name in enumerate(wanted):
        if isinstance(name, str) and name not in known:
            remedy = choice(name, known, f"{nouns} of this camera")
            document.report((*key, index), f"the {noun} `{name}` is unknown", remedy)
        elif name in wanted[:index]:
            document.report((*key, index), f"the {noun} `{name}` is named twice", "Name it once.")


def _check_places(document: Document, key: Key, camera: dict[str, Any]) -> None:
    zones = _mapping(camera, "zones")
    for name in _mapping(camera, "directions"):
        if name not in zones:
            remedy = choice(name, zones, "zones of this camera")
            document.report((*key, "directions", name), f"the zone `{name}` is unknown", remedy)
    for name in _mapping(camera, "lines"):
        if name in zones:
            what = f"a zone is called `{name}` too"
            document.report((*key, "lines", name), what, "Give the line a name of its own.")


def _check_measurements(
    document: Document, catalogue: Catalogue, key: Key, camera: dict[str, Any]
) -> None:
    """Checks that a camera names kinds of measurements that some rule publishes."""
    given = camera.get("measurements")
    for index, kind in enumerate(given if isinstance(given, list) else ()):
        if isinstance(kind, str) and kind not in catalogue.measurements:
            remedy = choice(kind, catalogue.measurements, "measurements")
            document.report((*key, index), f"the measurement `{kind}` is unknown", remedy)


def _check_options(document: Document, key: Key, said: object) -> None:
    """Checks what stands beside the parameters of a rule."""
    if not isinstance(said, dict):
        return
    try:
        RuleOptions.model_validate(options_of(said))
    except ValidationError as error:
        report_mistakes(document, error, RuleOptions, prefix=key)
    _check_time_zone(document, (*key, "schedule"), said)


def _check_time_zone(document: Document, key: Key, entry: dict[str, Any]) -> None:
    """Checks that it is known by which clock a schedule is meant."""
    if entry.get("schedule") is not None and not _mapping(document.data, "city").get("time_zone"):
        remedy = "Give the city its `time_zone:`, for example `Asia/Shanghai`."
        document.report(key, "the schedule has no time zone", remedy)


def _check_rule_set(
    document: Document, catalogue: Catalogue, key: Key, entry: dict[str, Any]
) -> None:
    task = str(key[-2])
    wanted, known = entry.get("rule_set"), catalogue.rule_sets_of(task)
    if isinstance(wanted, str) and wanted not in known:
        remedy = choice(wanted, known, "rule sets of this task")
        document.report(key, f"the rule set `{wanted}` is unknown", remedy)
    kept = catalogue.kept.sets.get(task)
    if wanted is None and not entry.get("rules") and kept is not None and kept not in known:
        what = f"this program does not know the rule set `{kept}`, which the city keeps"
        remedy = f"Start the newer program again, or name a set. Known: {listing(known)}."
        document.report(key, what, remedy)


def _check_inputs(
    document: Document, rule: RuleType[Any], key: Key, entry: dict[str, Any], camera: dict[str, Any]
) -> None:
    """Checks that a rule gets the zones, lines and calibration that its kind declares."""
    has_zones, has_lines = rule.zone is not None, rule.line is not None and bool(entry.get("lines"))
    if rule.needs_direction:
        zones = entry.get("zones")
        named = {name for name in zones if isinstance(name, str)} if isinstance(zones, list) else ()
        has_zones = has_zones and bool(_mapping(camera, "directions").keys() & named)
    if not has_zones and not has_lines:
        remedy = "Name them under the task's `zones:` or `lines:`, directions under `directions:`."
        document.report(key, f"the rule needs {rule.places}", remedy)
    if rule.needs_ground and camera.get("ground") is None:
        document.report(key, "the rule needs a calibrated camera", "Give the camera `ground:`.")


def _check_model(
    document: Document, catalogue: Catalogue, key: Key, wanted: str
) -> ModelPackage | None:
    """Checks the name of a model; gives the package where there is one."""
    task = str(key[-2])
    try:
        package = catalogue.find_model(wanted)
    except UnknownModelError:
        remedy = choice(wanted, catalogue.models, "models")
        document.report(key, f"the model `{wanted}` is unknown", remedy)
        return None
    except ModelError as error:
        document.report(key, f"the model cannot be used: {error}", "Correct the package.")
        return None
    if task in catalogue.tasks and task not in package.manifest.tasks:
        own = listing(package.manifest.tasks)
        what = f"the model `{wanted}` is not made for {task}, but for {own}"
        document.report(key, what, "Choose a model that is made for the task.")
    return package


def _check_thresholds(
    document: Document, package: ModelPackage, key: Key, entry: dict[str, Any]
) -> None:
    """Checks that a task has thresholds of classes that its model has, each once."""
    known = {plain_label(label): label for label in package.labels}
    named: dict[str, str] = {}
    for name in _mapping(_mapping(entry, "thresholds"), "classes"):
        plain = plain_label(name)
        if plain not in known:
            remedy = choice(name, package.labels, f"classes of {package}")
            document.report((*key, name), f"the class `{name}` is unknown", remedy)
        elif plain in named:
            what = f"the class is named as `{named[plain]}` too"
            document.report((*key, name), what, "Name it once.")
        named.setdefault(plain, name)


def _check_rule(
    document: Document, catalogue: Catalogue, key: Key, parameters: object, version: str
) -> None:
    task, kind = str(key[-3]), str(key[-1])
    rule = catalogue.rules.get(kind)
    own = catalogue.rules_of(task) or tuple(catalogue.rules)
    if rule is None:
        document.report(key, "the rule is unknown", choice(kind, own, "rules"))
        return
    if task in catalogue.tasks and rule.task != task:
        remedy = f"Move it there. Rules of {task}: {listing(own)}."
        document.report(key, f"the rule belongs to the task {rule.task}", remedy)
    rule = catalogue.find_rule(kind, version)
    if rule is None:
        remedy = f"Versions of {kind}: {listing(versions_of(kind))}."
        document.report((*key, VERSION), f"version `{version}` of the rule is unknown", remedy)
    elif isinstance(parameters, dict):
        try:
            rule.Parameters.model_validate(parameters_of(parameters))
        except ValidationError as error:
            report_mistakes(document, error, rule.Parameters, prefix=key)
