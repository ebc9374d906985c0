"""What can never work as written is named with line and remedy; what works is left alone."""

from __future__ import annotations

import json

import pytest

from camera_adapters import CameraFault
from tests.certificates import self_signed
from tests.cityeye.small_city import CITY, problem_of


def with_store(endpoint: str, bucket: str = "keyframes") -> str:
    keys = "access_key: a, secret_key: b"
    store = f"endpoint: {json.dumps(endpoint)}, bucket: {json.dumps(bucket)}, {keys}"
    return f"{CITY}keyframes: {{s3: {{{store}}}}}\n"


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("http://127.0.0.1:9/minio", "has a path"),
        ("user:hunter2@127.0.0.1:9", "holds a login"),
        ("hunter2@https://127.0.0.1:9", "begins with neither http:// nor https://"),
        ("ftp://127.0.0.1:9", "begins with neither http:// nor https://"),
        ("127.0.0.1:9 ", "no valid host"),
        ("", "no valid host"),
        ("https://", "no valid host"),
        ("https://store..example", "no valid host"),
        ("https://-store", "no valid host"),
        ("https://10.0.0.256", "no valid host"),
        ("https://[fe80::z]", "no valid host"),
        ("https://127.0.0.1:99999", "not one from 1 to 65535"),
        ("https://127.0.0.1:0", "not one from 1 to 65535"),
        ("https://sqs.us-east-1.amazonaws.com", "cannot be used"),
    ],
)
def test_an_endpoint_that_no_store_can_have(load_city, endpoint, said):
    problem = problem_of(load_city, with_store(endpoint))
    assert (problem.key, problem.line) == ("keyframes.s3.endpoint", 9)
    assert said in problem.what
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("bucket", ["a..b", "a.-b", "a-.b", "192.168.1.1", "ab", "Frames", "-ab"])
def test_a_bucket_that_no_store_can_have(load_city, bucket):
    problem = problem_of(load_city, with_store("https://store", bucket))
    assert (problem.key, problem.line) == ("keyframes.s3.bucket", 9)
    assert "name of the bucket" in problem.what


@pytest.mark.parametrize(
    "endpoint",
    ["https://127.0.0.1:9", "minio", "store.example:9000", "http://[::1]:9000/", "https://a-b.c."],
)
@pytest.mark.parametrize("bucket", ["keyframes", "a.b-c.d", "1.2.3", "000"])
def test_what_a_store_can_have_is_good_and_opens(load_city, endpoint, bucket):
    load_city(with_store(endpoint, bucket)).settings.keyframes.open()


@pytest.mark.parametrize(
    ("bad", "key", "said"),
    [
        ("hub: {port: -1}", "hub.port", "below 0"),
        ("hub: {port: 65536}", "hub.port", "above 65535"),
        ("hub: {host: 'http://127.0.0.1'}", "hub.host", "not a valid IP address"),
        ("hub: {host: 300.1.1.1}", "hub.host", "not a valid IP address"),
        ("hub: {host: ''}", "hub.host", "neither an address nor the name"),
        ("hub: {host: a/b}", "hub.host", "neither an address nor the name"),
        ("hub: {host: localhost, port: 8500}", "hub.port", "wanted by `api` and by `hub`"),
        ("hub: {port: '8500'}", "hub.port", "wanted by `api` and by `hub`"),
        ("sinks: [{url: 'http://hub:99999/events'}]", "sinks[0].url", "not an HTTP one"),
        ("sinks: [{url: 'http://hub:0/events'}]", "sinks[0].url", "not an HTTP one"),
        ("sinks: [{url: 'http://hub/a b'}]", "sinks[0].url", "not an HTTP one"),
        ("sinks: [{url: 'http://u:1/hunter2@h/x'}]", "sinks[0].url", "cannot be told from"),
        (
            "sinks: [{url: 'http://h/', token: 'hunter2 x'}]",
            "sinks[0].token",
            "no header can carry",
        ),
        ("sinks: [{url: 'http://h/', token: \"hunter2\\n\"}]", "sinks[0].token", "no header can"),
        ("sinks: [{url: 'http://h/', token: hunter2\u4e2d}]", "sinks[0].token", "no header can"),
        ("sinks: [{url: 'http://h/', token: ''}]", "sinks[0].token", "no header can carry"),
        ("sinks: [{url: http://hub/a}, {url: 'http://hub/a'}]", "sinks[1].url", "the same name"),
        (
            "sinks: [{url: http://a/, name: x}, {url: http://b/, name: x}]",
            "sinks[1].name",
            "the same name",
        ),
    ],
)
def test_hosts_ports_and_sinks(load_city, bad, key, said):
    problem = problem_of(load_city, CITY.replace("hub: {}", bad))
    assert (problem.key, problem.line) == (key, 8)
    assert said in problem.what
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    ("bad", "key", "said"),
    [
        ("hub: {database: 'sqlite:///folder'}", "hub.database", "is a folder"),
        ("hub: {database: 'sqlite:///file/hub.db'}", "hub.database", "below a file"),
        ("hub: {}\nstate: ~nobody-here/x\nkeyframes: {folder: file}", "keyframes.folder", "a file"),
        ("hub: {}\nstate: file", "state", "is a file, and no folder"),
        ("hub: {}\nstate: file/below/it", "state", "is a file, and no folder"),
        ("hub: {}\nkeyframes: {folder: file}", "keyframes.folder", "is a file, and no folder"),
        ("hub: {certificate: file, key: file}", "hub.certificate", "cannot be used"),
        ("hub: {}\napi: {certificate: file, key: file}", "api.certificate", "cannot be used"),
        ("sinks: [{url: 'https://h/', ca_certs: gone}]", "sinks[0].ca_certs", "no such file"),
        (
            "sinks: [{url: 'https://h/', ca_certs: file}]",
            "sinks[0].ca_certs",
            "holds no certificate",
        ),
    ],
)
def test_a_place_that_is_something_else(load_city, tmp_path, bad, key, said):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    problem = problem_of(load_city, CITY.replace("hub: {}", bad))
    assert problem.key == key
    assert said in problem.what


def test_places_that_are_not_there_yet_and_good_certificates_are_fine(load_city, tmp_path):
    certificate, key = self_signed(tmp_path)
    tls = f"{{certificate: {certificate}, key: {key}, database: 'sqlite:///new/hub.db'}}"
    sink = f"sinks: [{{url: 'https://h/', ca_certs: {certificate}}}]\nstate: new/state"
    load_city(CITY.replace("hub: {}", f"hub: {tls}\n{sink}"))


def test_the_key_of_another_certificate_is_refused(load_city, tmp_path):
    (tmp_path / "other").mkdir()
    certificate, _ = self_signed(tmp_path)
    _, key = self_signed(tmp_path / "other")
    tls = f"hub: {{certificate: {certificate}, key: {key}}}"
    assert "mismatch" in problem_of(load_city, CITY.replace("hub: {}", tls)).what


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_camera_is_not_the_citys_own_listener(load_city, host):
    problem = problem_of(load_city, CITY.replace("10.0.0.5", f"{host}:8600"))
    assert (problem.key, problem.line) == ("cameras[0].source", 3)
    assert "own `hub`" in problem.what
    load_city(CITY.replace("10.0.0.5", f"{host}:8554"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u:hunter2@127.0.0.1/hub", "names no driver"),
        ("postgresql+hunter2://u@127.0.0.1/hub", "names no driver"),
        ("foo://hunter2", "of a kind that the hub does not know"),
        ("sqlite:///:memory:", "without options"),
        ("sqlite://", "without options"),
        ("sqlite:///hub.db?mode=ro", "without options"),
        ("hub.db", "not given as a URL"),
        ("postgresql+psycopg://u:p@host:99999/hub", "not one from 1 to 65535"),
        ("postgresql+psycopg://u:1/hunter2@host/hub", "cannot be told from the path"),
    ],
)
def test_a_database_that_the_hub_cannot_use(load_city, monkeypatch, url, said):
    monkeypatch.setattr("cityeye.config.addresses.find_spec", lambda _: object())
    problem = problem_of(load_city, CITY.replace("hub: {}", f"hub: {{database: '{url}'}}"))
    assert (problem.key, problem.line) == ("hub.database", 8)
    assert said in problem.what
    assert "hunter2" not in str(problem)


def test_a_database_driver_that_is_not_installed_is_named(load_city, monkeypatch):
    text = CITY.replace("hub: {}", "hub: {database: 'postgresql+psycopg://u:hunter2@host/hub'}")
    monkeypatch.setattr("cityeye.config.addresses.find_spec", lambda _: object())
    load_city(text)
    monkeypatch.setattr("cityeye.config.addresses.find_spec", lambda _: None)
    problem = problem_of(load_city, text)
    assert "psycopg is not installed" in problem.what
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    ("task", "fps", "good"),
    [("traffic", 0.2, False), ("traffic", 0.25, True), ("crowding", 0.1, False)],
)
def test_a_rate_at_which_a_rule_could_never_fire(load_city, task, fps, good):
    rates = f"fps: {fps}\n        rule_set: {task}/1"
    text = CITY.replace("traffic", task).replace("fps: 5", rates)
    if good:
        load_city(text)
        return
    problem = problem_of(load_city, text)
    assert (problem.key, problem.line) == (f"cameras[0].tasks.{task}.fps", 7)
    assert "could never fire" in problem.what
    assert f"more than {fps}, or list under `rules:` what shall run" in problem.remedy


def test_a_rule_without_windows_works_at_any_rate(load_city):
    rules = "fps: 0.05\n        rules: {crowding.density: {confirm_s: 0%s}}"
    crowding = CITY.replace("traffic", "crowding")
    load_city(crowding.replace("fps: 5", rules % ", expire_s: 0"))
    problem = problem_of(load_city, crowding.replace("fps: 5", rules % ""))
    assert "Give more than 0.1" in problem.remedy, "what it opens would never end"


@pytest.mark.parametrize(
    ("name", "spelled", "query"),
    [
        ("a b.mp4", None, ""),
        ("100%.mp4", None, ""),
        ("h#1.mp4", None, ""),
        ("50%20off.mp4", None, ""),
        ("cam%2f1.mp4", None, ""),
        ("seq%03d.mp4", None, ""),
        ("a?b.mp4", None, ""),
        ("~nobody-here.mp4", None, ""),
        ("a?b.mp4", "a?b.mp4?realtime=1&loop=0", "?realtime=1&loop=0"),
        ("x.mp4", "file://localhost{folder}/x.mp4", ""),
        ("x.mp4", "file:{folder}/x.mp4?loop=1", "?loop=1"),
        ("x.mp4", "FILE://{folder}/x.mp4", ""),
        ("a%b.mp4", "file://{folder}/a%25b.mp4", ""),
    ],
)
def test_a_video_file_is_called_as_it_is_called(load_city, tmp_path, name, spelled, query):
    (tmp_path / name).write_bytes(b"x")
    source = json.dumps((spelled or name).format(folder=tmp_path))
    (plan,) = load_city(CITY.replace("rtsp://10.0.0.5/live", source)).plans
    assert plan.camera.source == (tmp_path / name).as_uri() + query


def test_a_setting_of_a_recording_that_there_is_not(load_city, tmp_path):
    (tmp_path / "x.mp4").write_bytes(b"x")
    problem = problem_of(load_city, CITY.replace("rtsp://10.0.0.5/live", "x.mp4?speed=2"))
    assert "unknown setting speed=2" in problem.what


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("pa$${ss}word", "pa${ss}word"),
        ("$$${WORD}", "$${WORD}"),
        ("$${${WORD}", "${hunter2"),
        ("$5 ${WORD} $$", "$5 hunter2 $$"),
        ("${1}", "${1}"),
    ],
)
def test_a_dollar_brace_can_be_meant_as_it_stands(load_city, spelled, meant):
    login = f"username: u\n    password: '{spelled}'\n    tasks:"
    (plan,) = load_city(CITY.replace("tasks:", login), {"WORD": "hunter2"}).plans
    assert plan.camera.credentials is not None
    assert plan.camera.credentials.password == meant


def test_a_part_of_a_password_is_not_taken_for_the_name_of_a_variable(load_city):
    login = "username: u\n    password: 'pa${hunter2}word'\n    tasks:"
    problem = problem_of(load_city, CITY.replace("tasks:", login))
    assert (problem.key, problem.line) == ("cameras[0].password", 5)
    assert "hunter2" not in str(problem)
    assert "`$${`" in problem.remedy


@pytest.mark.parametrize("password", ["#hunter2", "  #hunter2", "# hunter2", "&hunter2"])
def test_a_password_that_yaml_takes_for_something_else(load_city, password):
    login = f"username: admin\n    password: {password}\n    tasks:"
    problem = problem_of(load_city, CITY.replace("tasks:", login))
    assert (problem.key, problem.line) == ("cameras[0].password", 5)
    assert f"what begins with `{password.strip()[0]}` is none to YAML" in problem.what
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("rest", ["", " ~", " null"])
def test_a_password_without_a_value(load_city, rest):
    login = f"username: admin\n    password:{rest}\n    tasks:"
    problem = problem_of(load_city, CITY.replace("tasks:", login))
    assert (problem.key, problem.line) == ("cameras[0].password", 5)


def test_an_empty_password_and_a_comment_are_allowed(load_city):
    login = "username: admin\n    password: '' # none\n    tasks:"
    config = load_city(CITY.replace("tasks:", login))
    assert not config.warnings
    assert config.plans[0].camera.credentials is not None


def test_a_password_that_a_comment_cuts_off_is_warned_about(load_city):
    login = "username: admin\n    password: gate #hunter2\n    tasks:"
    (warning,) = load_city(CITY.replace("tasks:", login)).warnings
    assert (warning.key, warning.line) == ("cameras[0].password", 5)
    assert "hunter2" not in str(warning)
    problem = problem_of(load_city, CITY.replace("rtsp://", "rtsp://admin:12 #hunter2@"))
    assert (problem.key, problem.line) == ("cameras[0].source", 3)
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("text", ["*hunter2", "%hunter2", "@hunter2", '"hunter2\\q"', "|hunter2"])
def test_what_yaml_cannot_read_is_not_repeated(load_city, text):
    login = f"username: admin\n    password: {text}\n    tasks:"
    problem = problem_of(load_city, CITY.replace("tasks:", login))
    assert 5 <= problem.line <= 6
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    "login",
    [
        "admin:12/34hunter2",
        "admin:/9hunter2",
        "admin:ab/hunter2",
        "admin:a?b/hunter2",
        "admin:12#3/hunter2",
        "admin:hunter@2/hunter2",
        "j.doe:12/hunter2",
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.5:8554", "cam.example"])
def test_a_slash_in_the_password_of_an_address_is_refused(load_city, login, host):
    problem = problem_of(load_city, CITY.replace("10.0.0.5", f"{login}@{host}"))
    assert (problem.key, problem.line) == ("cameras[0].source", 3)
    assert "hunter" not in str(problem)
    assert "admin" not in str(problem)


@pytest.mark.parametrize(
    "address",
    [
        "admin:12/hunter2@cam7",
        "admin:554/hunter2@cam7",
        "admin:p@s.s/hunter2@camera",
        "john.doe:554/hunter2@camera",
        "cam.example:8000/hunter2@main",
    ],
)
def test_an_address_that_may_hide_a_password_in_its_path_is_refused(load_city, address):
    problem = problem_of(load_city, CITY.replace("10.0.0.5", address))
    assert problem.key == "cameras[0].source"
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    "source",
    [
        "rtsp:admin:hunter2@127.0.0.1",
        "rtsp:/admin:hunter2@127.0.0.1/s",
        "rtsp//admin:hunter2@127.0.0.1",
        "admin:hunter2@127.0.0.1",
        "admin:hunter2@127.0.0.1:554/s",
        "admin:hunter2@camera.mp4",
        "file:///admin:hunter2@camera.mp4",
        "rtps://admin:hunter2@127.0.0.1/s",
        "http://admin:hunter2@127.0.0.1/s",
    ],
)
def test_a_login_behind_a_misspelled_scheme_is_not_repeated(load_city, source):
    problem = problem_of(load_city, CITY.replace("rtsp://10.0.0.5/live", f"'{source}'"))
    assert (problem.key, problem.line) == ("cameras[0].source", 3)
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    ("address", "password"),
    [
        ("admin:a#b@10.0.0.5", "a#b"),
        ("admin:a@b@10.0.0.5", "a@b"),
        ("admin:a?b@10.0.0.5", "a?b"),
        ("admin:a%2Fb@10.0.0.5", "a/b"),
        ("admin:pw@10.0.0.5:554/ch@main", "pw"),
    ],
)
def test_a_login_in_the_address_is_read_right(load_city, address, password):
    (plan,) = load_city(CITY.replace("10.0.0.5", address)).plans
    assert plan.camera.credentials is not None
    assert plan.camera.credentials.password == password


@pytest.mark.parametrize("address", ["10.0.0.5:554/a@b", "[::1]:99/a@b"])
def test_an_at_sign_in_a_path_is_left_alone(load_city, address):
    (plan,) = load_city(CITY.replace("10.0.0.5", address)).plans
    assert plan.camera.credentials is None
    assert "a@b" in plan.camera.source


def test_what_the_camera_kind_has_against_a_login_is_said_at_its_password(load_city, monkeypatch):
    def check(spec):
        if spec.credentials is not None:
            raise CameraFault(spec.id, "the login is too long", "shorten it")

    monkeypatch.setattr("camera_adapters.rtsp.check", check)
    login = "username: admin\n    password: hunter2\n    tasks:"
    problem = problem_of(load_city, CITY.replace("tasks:", login))
    assert (problem.key, problem.line) == ("cameras[0].password", 5)
    assert problem.what == "the login is too long"


def test_an_rtsp_port_of_nothing(load_city):
    problem = problem_of(load_city, CITY.replace("10.0.0.5", "10.0.0.5:0"))
    assert problem.key == "cameras[0].source"
