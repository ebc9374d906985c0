"""Sinks in the configuration: TLS on both sides, brokers, and mistakes with their remedies."""

from __future__ import annotations

import importlib.util

import pytest

from cityeye.config import ConfigurationError
from pipelines.delivery.sinks import broker
from pipelines.delivery.sinks.http import HttpSinkSettings
from pipelines.delivery.sinks.kafka import KafkaSinkSettings, configuration
from pipelines.delivery.sinks.mqtt import MqttSinkSettings
from tests.certificates import self_signed
from tests.cityeye.small_city import CITY

HTTP = "url: 'https://hub/events'"


def with_sink(load_city, sink: str):
    return load_city(CITY.replace("hub: {}", f"sinks: [{{{sink}}}]")).settings.sinks[0]


def problem_of(load_city, sink: str):
    with pytest.raises(ConfigurationError) as caught:
        with_sink(load_city, sink)
    (problem,) = caught.value.problems
    return problem


def test_certificates_are_named_from_the_folder_of_the_file(load_city, tmp_path):
    chain, key = self_signed(tmp_path)
    sink = with_sink(load_city, f"{HTTP}, ca_certs: eye.pem, certificate: eye.pem, key: eye.key")
    assert isinstance(sink, HttpSinkSettings)
    assert (sink.ca_certs, sink.certificate, sink.key) == (chain, chain, key)


def test_a_certificate_may_hold_its_key(load_city, tmp_path):
    chain, key = self_signed(tmp_path)
    chain.write_bytes(chain.read_bytes() + key.read_bytes())
    assert with_sink(load_city, f"{HTTP}, certificate: eye.pem").key is None


@pytest.mark.parametrize(
    ("given", "key", "said"),
    [
        ("ca_certs: none.pem", "ca_certs", "none.pem cannot be read: no such file"),
        ("ca_certs: eye.key", "ca_certs", "eye.key holds no certificate. Name a PEM file"),
        ("certificate: none.pem, key: eye.key", "key", "none.pem cannot be read"),
        ("certificate: eye.pem, key: none.key", "key", "none.key cannot be read"),
        ("certificate: eye.pem, key: other/eye.key", "key", "is not the private key of eye.pem"),
        ("certificate: eye.pem", "key", "is not the private key of eye.pem"),
        ("key: eye.key", "key", "a key without a certificate. Add `certificate:`."),
        ("certificate: eye.pem, key: eye.pem", "key", "name the PEM file that was made with"),
    ],
)
def test_a_mistake_in_certificates(load_city, tmp_path, given, key, said):
    self_signed(tmp_path)
    (tmp_path / "other").mkdir()
    self_signed(tmp_path / "other")
    problem = problem_of(load_city, f"{HTTP}, {given}")
    assert problem.key == f"sinks[0].{key}"
    assert said.lower() in str(problem).lower()


def test_a_key_with_a_password_is_refused_and_asks_nobody(load_city, tmp_path):
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    _, key = self_signed(tmp_path)
    known = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        known.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )
    problem = problem_of(load_city, f"{HTTP}, certificate: eye.pem, key: eye.key")
    assert "has a password" in problem.what


def test_a_kafka_cluster(load_city, tmp_path):
    chain, key = self_signed(tmp_path)
    (tmp_path / "word").write_text("hunter2\n")
    (tmp_path / "word").chmod(0o600)
    sink = with_sink(
        load_city,
        "url: 'kafka+ssl://a.example,b.example:9094/city.events', username: eye, "
        "password_file: word, ca_certs: eye.pem, certificate: eye.pem, key: eye.key, deadline_s: 5",
    )
    assert isinstance(sink, KafkaSinkSettings)
    assert "hunter2" not in repr(sink)
    assert sink.topic == "city.events"
    known = configuration(sink)
    assert known["bootstrap.servers"] == "a.example,b.example:9094"
    assert (known["acks"], known["enable.idempotence"]) == ("all", True)
    assert known["security.protocol"] == "SASL_SSL"
    assert (known["sasl.mechanism"], known["sasl.password"]) == ("SCRAM-SHA-512", "hunter2")
    assert known["message.timeout.ms"] == 5000
    assert known["ssl.key.location"] == str(key)
    assert known["ssl.ca.location"] == str(chain)


def test_an_mqtt_broker(load_city):
    sink = with_sink(load_city, "url: 'mqtts://broker', topic: 'eye/{camera}', username: eye")
    assert isinstance(sink, MqttSinkSettings)
    assert sink.progress_name == "broker"


@pytest.mark.parametrize(
    ("given", "key", "said"),
    [
        ("url: 'kafka://broker'", "url", "write kafka://HOST:9092/TOPIC"),
        ("url: 'kafka://broker/a/b'", "url", "write kafka://HOST:9092/TOPIC"),
        ("url: 'kafka://broker:0/events'", "url", "write kafka://HOST:9092/TOPIC"),
        ("url: 'kafka://a,,b/events'", "url", "write kafka://HOST:9092/TOPIC"),
        ("url: 'kafka://eye:hunter2@broker/events'", "url", "write kafka://HOST:9092/TOPIC"),
        ("url: 'kafka://b/t', password: hunter2", "password", "add `username:`"),
        ("url: 'kafka://b/t', username: a, sasl: MD5", "sasl", "how the password is sent"),
        ("url: 'mqtt://'", "url", "write mqtt://HOST:1883"),
        ("url: 'mqtt://broker/topic'", "url", "the topic under `topic:`"),
        ("url: 'mqtt://eye:hunter2@broker'", "url", "write mqtt://HOST:1883"),
        ("url: 'mqtt://b', topic: '{place}'", "topic", "known: camera, source, subject, type"),
        ("url: 'mqtt://b', topic: '{0}'", "topic", "known: camera, source, subject, type"),
        ("url: 'mqtt://b', topic: 'eye/{type'", "topic", "a bracket is open"),
        ("url: 'mqtt://b', topic: 'eye/#'", "topic", "what no topic may hold"),
        ("url: 'mqtt://b', topic: '{type!r}'", "topic", "what no topic may hold"),
        ("url: 'mqtt://b', topic: '$SYS/x'", "topic", "begins with `$`"),
        ("url: 'mqtt://b', topic: ''", "topic", "is empty"),
        ("url: 'http://b', deadline_s: 0", "deadline_s", "one delivery may take as a whole"),
        ("url: 'amqp://b/'", "url", "begins with http://, https://, kafka://, kafka+ssl://"),
    ],
)
def test_a_mistake_in_a_broker(load_city, given, key, said):
    problem = problem_of(load_city, given)
    assert problem.key == f"sinks[0].{key}"
    assert said.lower() in str(problem).lower()
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(("url", "extra"), [("kafka://b/t", "kafka"), ("mqtt://b", "mqtt")])
def test_without_its_client_a_broker_says_how_to_install_it(load_city, monkeypatch, url, extra):
    found = importlib.util.find_spec
    missing = {"confluent_kafka", "paho"}
    monkeypatch.setattr(broker, "find_spec", lambda name: None if name in missing else found(name))
    problem = problem_of(load_city, f"url: '{url}'")
    assert problem.what == f"the client for {extra} is not installed"
    assert problem.remedy == f"Install it: pip install 'cityeye[{extra}]'."
