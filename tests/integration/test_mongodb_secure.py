# SPDX-License-Identifier: Apache-2.0
"""TLS and passwords against a real server: what is right stores, what is wrong says what to mend."""

import signal

import pytest

from conftest import PATIENCE_S, wait_for
from mongo_server import MongoServer
from test_mongodb import documents, packet, settings


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    MongoServer.need("--tls", "--auth")
    server = MongoServer(tmp_path_factory.mktemp("secure"), "--tls", "--auth").start()
    yield server
    server.close()


def wrong_password(server):
    return server.uri.replace(f":{server.password}@", ":not-the-password@")


def no_user(server):
    return server.uri.replace(f"motorcade:{server.password}@", "").replace("authSource=admin&", "")


def no_ca(server):
    return server.uri.split("&tlsCAFile")[0]


def no_ca_file(server):
    return server.uri + ".gone"


def plain_text(server):
    return f"mongodb://motorcade:{server.password}@127.0.0.1:{server.port}/?authSource=admin"


# What is wrong, and what the one line names.
WRONG = [(wrong_password, "look at user, password and authSource in sink.mongodb.uri"),
         (no_user, "give user and password in sink.mongodb.uri"),
         (no_ca, "name the CA of the server's certificate in sink.mongodb.uri: tlsCAFile="),
         (no_ca_file, "sink.mongodb.uri: tlsCAFile: "),
         (plain_text, "does it want TLS, tls=true in sink.mongodb.uri")]
IDS = [wrong.__name__ for wrong, _ in WRONG]


def verify(server, uri):
    return server.tool("store", "verify", "--set", "sink.kind=mongodb", "--set",
                       "sink.mongodb.selection_timeout=1s", "--set", f"sink.mongodb.uri={uri}",
                       check=False)


@pytest.mark.parametrize("mechanism", ["", "SCRAM-SHA-256", "SCRAM-SHA-1"])
def test_what_is_right_stores(motorcade, secure, mechanism):
    uri = secure.uri + (f"&authMechanism={mechanism}" if mechanism else "")
    database = f"right{mechanism.replace('-', '')}"
    server = motorcade(settings(secure, database, **{"sink.mongodb.uri": uri}))
    packets = [packet("a", seq, time=1211284800000 + seq) for seq in range(1, 101)]
    assert server.post(packets).json()["accepted"] == 100
    server.wait_drained()
    assert len(documents(secure, database)) == 100
    assert server.count() == 100
    assert verify(server, uri).returncode == 0
    assert secure.password not in "\n".join(server.raw)


def test_a_server_that_comes_back_is_asked_for_its_password_again(motorcade, tmp_path):
    MongoServer.need("--tls", "--auth")
    own = MongoServer(tmp_path, "--tls", "--auth").start()
    try:
        server = motorcade(settings(own, "again"))
        for first in (1, 51):
            assert server.post([packet("a", seq) for seq in range(first, first + 50)]).status == 200
            server.wait_drained()
            own.kill()
            own.start()
        assert len(documents(own, "again")) == 100
        assert own.password not in "\n".join(server.raw)
    finally:
        own.close()


@pytest.mark.parametrize("wrong, hint", WRONG, ids=IDS)
def test_what_is_wrong_is_one_line(motorcade, secure, wrong, hint):
    server = motorcade({"sink.kind": "memory"})

    def is_told():
        done = verify(server, wrong(secure))
        assert done.returncode != 0 and len(done.stderr.splitlines()) == 1, done.stderr
        assert secure.password not in done.stdout + done.stderr
        assert "not-the-password" not in done.stdout + done.stderr
        return hint in done.stderr # a busy machine may not come to a handshake in time

    wait_for(is_told, f"{hint!r}")


@pytest.mark.parametrize("wrong, hint", WRONG, ids=IDS)
def test_a_store_that_can_not_get_in(motorcade, secure, wrong, hint):
    """It says so, loses nothing, and says no secret."""
    server = motorcade(settings(secure, "wrong", **{
        "sink.mongodb.uri": wrong(secure), "sink.mongodb.status_interval": "0"}), wait=False)
    if wrong is no_ca_file: # nothing that waiting would mend
        assert server.process.wait(timeout=PATIENCE_S) == 78
    else:
        server.wait_event("listening", module="gateway")
        assert server.post([packet("a", 1)]).json()["accepted"] == 1
        wait_for(lambda: server.get("/readyz").status == 503, "the store to be unready")
    wait_for(lambda: hint in server.log_text(), "the hint in the log")
    raw = "\n".join(server.raw)
    assert secure.password not in raw and "not-the-password" not in raw
    assert not documents(secure, "wrong")
    if server.process.poll() is None: # it would wait for the database for a while
        server.kill()


def test_the_secret_is_not_printed(motorcade, secure):
    server = motorcade({"sink.kind": "memory"})
    printed = server.tool("print-config", "--set", "sink.kind=mongodb", "--set",
                          f"sink.mongodb.uri={secure.uri}")
    assert secure.password not in printed.stdout + printed.stderr
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=PATIENCE_S) == 0
