# SPDX-License-Identifier: Apache-2.0
"""When certificates end: the gauge, /statusz, the log, `motorcade check`."""

import re
import shutil
import subprocess
import time

import pytest

from conftest import BINARY, free_port, wait_for

DAY_S = 86400
ENDS_SOON = re.compile("in (9|10) days")  # by how much of a second passes
GAUGE = "motorcade_certificate_expires_timestamp_seconds"


@pytest.fixture
def make(tmp_path):
    """make(name, days) → a PEM file of a certificate that ends then, and its key behind it."""
    if shutil.which("openssl") is None:
        pytest.skip("SKIP: openssl is not installed")

    def run(name, days):
        path, key = tmp_path / name, tmp_path / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj",
                        "/CN=test", "-days", str(days), "-keyout", key, "-out", path],
                       check=True, capture_output=True)
        path.write_bytes(path.read_bytes() + key.read_bytes())
        return path

    return run


def mongodb(ca, client):
    uri = (f"mongodb://127.0.0.1:{free_port()}/?tls=true&tlsCAFile={ca}"
           f"&tlsCertificateKeyFile={client}")
    return {"sink.kind": "mongodb", "sink.mongodb.uri": uri,
            "sink.mongodb.selection_timeout": "100ms", "sink.retry_delay_max": "100ms"}


def test_gauge_page_and_log(motorcade, make):
    ca, client = make("ca.pem", 300), make("client.pem", 10)
    server = motorcade(mongodb(ca, client), wait=False)
    server.wait_event("listening", module="gateway")

    def days_left(use, path):
        return (server.metric(GAUGE, use=use, file=str(path)) - time.time()) / DAY_S

    wait_for(lambda: 299 < days_left("mongodb ca", ca) <= 300, "the authority's end")
    wait_for(lambda: 9 < days_left("mongodb client", client) <= 10, "the client's end")
    told = server.wait_event("a certificate needs care", module="net")
    assert told["file"] == str(client) and ENDS_SOON.search(told["reason"])
    page = server.get("/statusz").body.decode()
    assert "<h2>Certificates</h2>" in page and str(ca) in page and ENDS_SOON.search(page)

    make("client.pem", 400)  # renewed: seen without a restart
    wait_for(lambda: 399 < days_left("mongodb client", client) <= 400, "the new one's end")


def test_a_gateway_does_not_speak_of_the_database(motorcade, make):
    settings = mongodb(make("ca.pem", 300), make("client.pem", 10))
    server = motorcade(settings, role="gateway")
    assert server.metric(GAUGE) == 0
    assert "<h2>Certificates</h2>" not in server.get("/statusz").body.decode()


def check(settings):
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    done = subprocess.run([BINARY, "check", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "good" in done.stdout, done.stderr
    return done.stderr.splitlines()


def test_check_warns(make, tmp_path):
    good, soon = make("good.pem", 300), make("soon.pem", 20)
    assert check({}) == []
    assert check(mongodb(good, good)) == []
    assert [line.split(": ", 2)[2].split(" ends on ")[0] for line in check(mongodb(soon, soon))] == [
        f"certificate {soon} (mongodb ca)", f"certificate {soon} (mongodb client)"]
    kafka = {"broker.kind": "kafka", "kafka.tls.enabled": "true", "kafka.tls.ca": good,
             "kafka.tls.cert": soon, "kafka.tls.key": soon}
    lines = check(kafka)
    assert len(lines) == 1 and "(kafka client) ends on" in lines[0] and lines[0].endswith(" days")
    lines = check({**kafka, "kafka.tls.cert": tmp_path / "absent.pem"})
    assert len(lines) == 1 and "can't be read: No such file or directory" in lines[0]
    assert check({**kafka, "broker.kind": "journal"}) == []
