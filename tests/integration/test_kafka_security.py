# SPDX-License-Identifier: Apache-2.0
"""TLS, passwords and access rules of a real Kafka; and what is wrong is one line that names the fix.

SCRAM runs against Kafka 3.9.1, since librdkafka before 2.6.1 can't do it with Kafka 4
(docs/decisions/0011-scram-and-debians-librdkafka.md)."""

import subprocess

import pytest

from conftest import BINARY, PATIENCE_S, free_port, wait_for
from kafka_cluster import Cluster, name
from kafka_system import System, fleet  # noqa: F401 (fixtures)


def secure_cluster(tmp_path_factory, *options):
    cluster = Cluster(data=tmp_path_factory.mktemp("secure") / "cluster")
    try:
        yield cluster.start("--sasl-ssl", *options)
    finally:
        cluster.delete()


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    yield from secure_cluster(tmp_path_factory)


@pytest.fixture(scope="module")
def secure39(tmp_path_factory):
    yield from secure_cluster(tmp_path_factory, "--release", "3.9.1")


def login(cluster, mechanism="plain", user="motorcade", **changes):
    """Settings that log in; changes: names with _ in place of the dots after kafka."""
    facts = cluster.facts["sasl_ssl"]
    settings = {
        "kafka.brokers": facts["brokers"],
        "kafka.tls.enabled": "true",
        "kafka.tls.ca": facts["ca"],
        "kafka.sasl.mechanism": mechanism,
        "kafka.sasl.username": user,
        "kafka.sasl.password": facts["users"][user],
    }
    settings.update({f"kafka.{key.replace('_', '.')}": value for key, value in changes.items()})
    return settings


def check_whole_path(cluster, folder, settings):
    system = System(cluster, folder, settings)
    try:
        store, _, gateway = system.start()
        assert gateway.post([{"obuid": "cab-7", "seq": seq, "lat": 1, "lon": 2}
                             for seq in range(100)]).status == 200
        store.wait_count(100)
    finally:
        system.close()


@pytest.mark.parametrize("mechanism", ["scram-sha-256", "scram-sha-512"])
def test_scram_over_tls(secure39, tmp_path, mechanism):
    check_whole_path(secure39, tmp_path, login(secure39, mechanism))


def test_plain_over_tls(secure, tmp_path):
    check_whole_path(secure, tmp_path, login(secure))


# ---- what is wrong ----

def refusal(folder, settings, role="handler"):
    """Runs a role that can't start: its exit code and its one line that is not just information."""
    base = {"broker.kind": "kafka", "kafka.start_timeout": "5s", "log.format": "logfmt",
            "gateway.listen": f"127.0.0.1:{free_port()}", "live.listen": f"127.0.0.1:{free_port()}"}
    words = [BINARY, role, "--data", folder / "data"]
    for name, value in {**base, **settings}.items():
        words += ["--set", f"{name}={value}"]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          timeout=PATIENCE_S, check=False)
    lines = [line for line in done.stderr.splitlines() if "level=info" not in line]
    assert len(lines) == 1, done.stderr
    return done.returncode, lines[0]


def test_a_wrong_address_is_one_line(tmp_path):
    port = free_port()
    code, line = refusal(tmp_path, {"kafka.brokers": f"127.0.0.1:{port}"})
    assert code == 1
    assert f"127.0.0.1:{port}" in line and "kafka.brokers" in line


def test_a_name_that_is_not_known_is_one_line(tmp_path):
    code, line = refusal(tmp_path, {"kafka.brokers": "no-such-host.invalid:9092"})
    assert code == 1
    assert "no-such-host.invalid" in line and "kafka.brokers" in line


@pytest.fixture(scope="module")
def warm(kafka):
    """A broker that was never asked for a producer's number says first that it is loading."""
    topic = kafka.create_topic(name())
    kafka.kcat("-P", "-t", topic, "-X", "enable.idempotence=true", stdin="first\n")
    return kafka


@pytest.mark.parametrize("role", ["gateway", "handler", "store", "live"])
def test_a_missing_topic_is_one_line(warm, tmp_path, role):
    code, line = refusal(tmp_path, {"kafka.brokers": warm.brokers, "kafka.prefix": "none."}, role)
    assert code == 1
    assert '"none.' in line and "motorcade topics create" in line


def test_a_wrong_password_is_one_line(secure, tmp_path):
    code, line = refusal(tmp_path, login(secure, sasl_password="wrong"))
    assert code == 1
    assert "kafka.sasl.password" in line


def test_scram_with_kafka_4_tells_what_it_needs(secure, tmp_path):
    code, line = refusal(tmp_path, login(secure, "scram-sha-256"))
    assert code == 1
    assert "librdkafka 2.6.1" in line


def test_another_ca_is_one_line(secure, secure39, tmp_path):
    other = secure39.facts["sasl_ssl"]["ca"]
    code, line = refusal(tmp_path, login(secure, tls_ca=other))
    assert code == 1
    assert "kafka.tls.ca" in line


def test_a_ca_file_that_is_not_there_is_one_line(secure, tmp_path):
    code, line = refusal(tmp_path, login(secure, tls_ca=tmp_path / "none.pem"))
    assert code == 78
    assert "none.pem" in line


def test_plain_text_to_a_tls_port_is_one_line(secure, tmp_path):
    code, line = refusal(tmp_path, login(secure, tls_enabled="false", tls_ca=""))
    assert code == 1
    assert "kafka.tls.enabled" in line


@pytest.mark.parametrize("role", ["gateway", "handler", "store", "live"])
def test_a_user_without_rights_is_one_line(secure, tmp_path, role):
    code, line = refusal(tmp_path, login(secure, user="guest"), role)
    assert code == 1
    assert "kafka.sasl.username" in line and "ACL" in line


def test_a_user_who_may_not_write_is_told_so_and_goes_on_once_he_may(secure, tmp_path, fleet):
    system = System(secure, tmp_path, login(secure, user="guest"))
    open_door = {"kafka.brokers": secure.brokers, "kafka.prefix": system.prefix,
                 "broker.kind": "kafka", "kafka.topic.replication": 1}
    subprocess.run([BINARY, "topics", "create",
                    *(word for item in open_door.items() for word in ("--set", "%s=%s" % item))],
                   check=True, capture_output=True)

    def allow(*operations):
        secure.tool("acls", "--add", "--allow-principal", "User:guest", "--topic", system.prefix,
                    "--resource-pattern-type", "prefixed",
                    *(word for one in operations for word in ("--operation", one)))

    try:
        allow("Describe", "DescribeConfigs")
        gateway = system.role("gateway", {"kafka.topic.create": "false"})
        cars = fleet(gateway.gateway)
        wait_for(lambda: any("(ACL)" in str(event) for event in gateway.events
                             if event.get("level", event.get("log.level")) != "info"),
                 "a line that names the missing right")
        allow("Write")
        cars.wait_acks("acks, once allowed")
        cars.finish()
    finally:
        system.close()
