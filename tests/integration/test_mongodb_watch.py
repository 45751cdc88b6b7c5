# SPDX-License-Identifier: Apache-2.0
"""What the database server says of itself, as metrics and on the dashboards."""

import functools

import pytest

import test_monitoring as monitoring
from conftest import wait_for
from mongo_script import ScriptedMongo, failure
from mongo_server import MongoServer
from test_mongodb_script import packet, settings

queries = monitoring.queries
HOSTILE = {"ok": 1.0, "opcounters": list(range(100000)), "connections": {"current": -1},
           "repl": {"setName": "x", "hosts": ["h"] * 100000}, "mem": {"resident": float("nan")}}


@pytest.fixture
def mongo():
    server = ScriptedMongo()
    yield server
    server.close()


def watched(mongo, **more):
    return settings(mongo, **{"sink.mongodb.status_interval": "100ms", **more})


def has(server, name):
    text = "\n" + server.get("/metrics").body.decode()
    return f"\nmotorcade_mongodb_{name}" in text


def value(server, name, **labels):
    return server.metric(f"motorcade_mongodb_{name}", **labels)


def test_what_the_server_counts_is_shown(motorcade, mongo):
    server = motorcade(watched(mongo))
    assert server.post([packet("a", seq) for seq in range(1, 21)]).json()["accepted"] == 20
    server.wait_drained()
    wait_for(lambda: value(server, "collection_documents", collection="position") == 20,
             "the collection's figures")
    assert value(server, "up") == 1
    wait_for(lambda: value(server, "operations_total", type="query") >= 2000, "counts to grow")
    assert value(server, "connections", state="available") == 51179
    assert value(server, "cache_max_bytes") == 3e9
    assert value(server, "member_state") == 1
    assert value(server, "database_data_bytes", database="motorcade") == 300 * 20
    page = server.get("/statusz").body.decode()
    assert "mongodb_database_storage_bytes" in page


def test_a_server_that_goes_leaves_no_figures(motorcade, mongo):
    """And one that comes again goes on counting."""
    server = motorcade(watched(mongo))
    wait_for(lambda: has(server, "cache_used_bytes"), "figures")
    mongo.status = failure(11600, "interrupted at shutdown")
    wait_for(lambda: not has(server, "cache_used_bytes"), "figures to vanish")
    assert value(server, "up") == 1  # it answers, if badly
    assert not has(server, "operations_total")
    mongo.status = None
    wait_for(lambda: has(server, "cache_used_bytes") and has(server, "operations_total"), "figures")


def test_no_server_costs_nothing_else(motorcade):
    mongo = ScriptedMongo()
    mongo.close()
    server = motorcade(watched(mongo), wait=False)
    server.wait_event("listening", module="gateway")
    assert server.post([packet("a", 1)]).json()["accepted"] == 1
    wait_for(lambda: has(server, "up"), "the answer that there is none")
    assert value(server, "up") == 0
    assert not has(server, "connections") and not has(server, "database_documents")


def test_a_missing_role_is_told_once(motorcade, mongo):
    mongo.status = failure(13, "not authorized on admin to execute command { serverStatus: 1 }")
    server = motorcade(watched(mongo))
    wait_for(lambda: len(mongo.recorded("serverStatus")) >= 5, "several looks")
    told = [event for event in server.events if "clusterMonitor" in event.get("message", "")]
    assert len(told) == 1 and told[0]["command"] == "serverStatus"
    assert has(server, "database_documents")  # dbStats needs no such role
    assert value(server, "up") == 1
    mongo.status = None  # granted
    wait_for(lambda: has(server, "connections"), "figures")


def test_replies_of_an_enemy(motorcade, mongo):
    mongo.status = HOSTILE
    mongo.storage = {"ok": 1.0, "objects": "many", "dataSize": [1], "cursor": 5}
    server = motorcade(watched(mongo))
    assert server.post([packet("a", 1)]).json()["accepted"] == 1
    server.wait_drained()
    asked = len(mongo.recorded("serverStatus"))
    wait_for(lambda: len(mongo.recorded("serverStatus")) > asked + 3, "more looks")
    assert not has(server, "operations_total") and not has(server, "connections")
    assert not has(server, "database_documents") and not has(server, "collection_documents")
    assert len(mongo.documents()) == 1


def test_never_asked_when_told_so(motorcade, mongo):
    server = motorcade(watched(mongo, **{"sink.mongodb.status_interval": "0"}))
    assert server.post([packet("a", 1)]).json()["accepted"] == 1
    server.wait_drained()
    assert not mongo.recorded("serverStatus") and not mongo.recorded("dbStats")
    assert not has(server, "up")


# ---- dashboards ----

def test_prometheus(motorcade, mongo, tmp_path, queries):
    monitoring.need("prometheus")
    wanted = monitoring.needing(queries["prometheus"], "mongodb", "mongodb_status")
    assert len(wanted) >= 15
    monitoring.check_prometheus(motorcade(watched(mongo)), tmp_path, wanted, queries["alerts"])


def test_graphite(motorcade, mongo, tmp_path, queries):
    def start(more):
        return motorcade(watched(mongo, **more))

    monitoring.check_graphite(start, tmp_path, monitoring.needing(
        queries["graphite"], "mongodb", "mongodb_status"))


def test_a_real_server(motorcade, tmp_path, queries):
    """FerretDB or mongod: what both give, and as they give it."""
    MongoServer.need()
    monitoring.need("prometheus")
    real = MongoServer(tmp_path).start()
    try:
        database = "motorcade_watch"
        server = motorcade({"sink.kind": "mongodb", "sink.mongodb.uri": real.uri,
                            "sink.mongodb.database": database, "sink.batch_age": "5ms",
                            "sink.mongodb.indexes": "vehicle+time+_id",
                            "sink.mongodb.status_interval": "100ms"})
        assert server.post([packet("a", seq) for seq in range(1, 51)]).json()["accepted"] == 50
        server.wait_drained()
        show = functools.partial(value, server, collection="position")
        wait_for(lambda: show("collection_documents") == 50, "the collection's figures")
        with real.client() as client:
            told = client[database].command("dbStats")
            wait_for(lambda: value(server, "database_documents") == told["objects"], "documents")
            assert value(server, "database_storage_bytes") == told["storageSize"]
            assert has(server, "operations_total") == real.is_genuine()
        monitoring.check_prometheus(server, tmp_path, monitoring.needing(
            queries["prometheus"], "mongodb"), queries["alerts"])
    finally:
        real.close()
