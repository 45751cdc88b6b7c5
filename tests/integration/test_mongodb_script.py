# SPDX-License-Identifier: Apache-2.0
"""The store over a server that says what a healthy MongoDB never says."""

import datetime
import json
import pathlib
import random

import pytest

from conftest import wait_for
from mongo_script import WRITE_CONFLICT, ScriptedMongo, ScriptedReplicaSet

DOCUMENT_VALIDATION = 121
FAULTS = ["not_primary", "concern", "partial", "disk_full", "disk_closed", "cut_before", "cut_after"]


@pytest.fixture
def mongo():
    server = ScriptedMongo()
    yield server
    server.close()


def settings(mongo, **more):
    return {"sink.kind": "mongodb", "sink.mongodb.uri": mongo.uri,
            "sink.mongodb.socket_timeout": "1s", "sink.mongodb.selection_timeout": "1s",
            "sink.retry_delay_max": "20ms", "sink.breaker_delay": "20ms", "sink.batch_age": "5ms",
            **more}


def packet(vehicle, seq):
    return {"obuid": vehicle, "epoch": 1, "seq": seq, "lat": 37.5, "lon": -122.25}


def post_and_check(server, mongo, count=400):
    """Every acked packet is a document, once; nothing else is."""
    acked = []
    for first in range(1, count, 20):
        packets = [packet(f"v{seq % 7}", seq) for seq in range(first, first + 20)]
        assert server.post(packets).json()["accepted"] == 20
        acked += [(each["obuid"], each["seq"]) for each in packets]
    server.wait_drained()
    stored = sorted((each["vehicle"], int(key[24:32], 16))
                    for key, each in mongo.documents().items())
    assert stored == sorted(acked)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_loses_and_doubles_nothing(motorcade, mongo, fault):
    mongo.plan = [fault, "ok", fault, fault]
    server = motorcade(settings(mongo))
    post_and_check(server, mongo)
    assert mongo.done[:4] == [fault, "ok", fault, fault]


def test_an_answer_that_is_too_late(motorcade, mongo):
    mongo.plan = ["slow"]
    server = motorcade(settings(mongo))
    post_and_check(server, mongo, 60)


@pytest.mark.parametrize("ordered", ["false", "true"])
def test_all_of_them_at_random(motorcade, mongo, ordered):
    chance = random.Random(11)
    mongo.plan = [chance.choice([*FAULTS, "ok"]) for _ in range(60)]
    server = motorcade(settings(mongo, **{
        "sink.mongodb.message_docs": 7, "sink.mongodb.writers": 3, "sink.item_attempts": 1000,
        "sink.mongodb.ordered": ordered}))
    post_and_check(server, mongo, 1000)


# ---- a replica set ----

@pytest.mark.parametrize("old", ["steps down", "dies", "claims to be it still"])
def test_another_primary(motorcade, old):
    """The old one takes documents that no other member has, at the very moment that it is left; then
    there is no primary for a while, then another."""
    replica_set = ScriptedReplicaSet()
    first, second = replica_set.members
    server = motorcade(settings(replica_set, **{
        "sink.breaker_failures": 2}))
    post_and_check(server, replica_set, 100)
    first.plan = ["ok", "deposed"]
    packets = [packet(f"w{seq % 7}", seq) for seq in range(1, 201)]
    for start in range(0, 100, 5):
        assert server.post(packets[start:start + 5]).json()["accepted"] == 5
    wait_for(lambda: "deposed" in first.done, "the old primary to be left")
    if old == "dies":
        first.die()
    first.claims = old.startswith("claims")
    wait_for(lambda: server.get("/readyz").status == 503, "the store to be unready")
    assert server.post(packets[100:150]).json()["accepted"] == 50
    taken = len(first.inserts())

    replica_set.elect(second)
    assert server.post(packets[150:]).json()["accepted"] == 50
    server.wait_drained()
    stored = [(each["vehicle"], int(key[24:32], 16))
              for key, each in replica_set.documents().items() if each["vehicle"][0] == "w"]
    assert sorted(stored) == sorted((each["obuid"], each["seq"]) for each in packets)
    assert second.inserts()
    wait_for(lambda: server.get("/readyz").status == 200, "readiness")
    if old == "dies":
        assert len(first.inserts()) == taken
    assert server.metric("motorcade_store_dead_letters_total") == 0
    replica_set.close()


def dead_letters(server):
    lines = server.tool("tail", "gpscoords.dead-letters", "--data", server.data, "--from",
                        "earliest", "--no-follow", check=False)
    return lines.stdout


def test_poison_in_the_middle_of_a_batch(motorcade, mongo):
    mongo.poison = {"bad": DOCUMENT_VALIDATION}
    server = motorcade(settings(mongo))
    packets = [packet("bad" if seq == 25 else "good", seq) for seq in range(1, 51)]
    assert server.post(packets).json()["accepted"] == 50
    server.wait_drained()
    assert sorted(int(key[24:32], 16) for key in mongo.documents()) == \
        [seq for seq in range(1, 51) if seq != 25]
    assert server.metric("motorcade_store_dead_letters_total", reason="sink_refused") == 1


def test_a_command_refused_for_one_document_is_taken_apart(motorcade, mongo):
    mongo.blame = "huge"
    server = motorcade(settings(mongo))
    packets = [packet("huge" if seq in (10, 11) else "good", seq) for seq in range(1, 51)]
    assert server.post(packets).json()["accepted"] == 50
    server.wait_drained()
    assert len(mongo.documents()) == 48
    assert server.metric("motorcade_store_dead_letters_total", reason="sink_refused") == 2


def test_a_document_that_fails_again_and_again(motorcade, mongo):
    mongo.poison = {"stuck": WRITE_CONFLICT}
    server = motorcade(settings(mongo, **{"sink.item_attempts": 4}))
    packets = [packet("stuck" if seq == 3 else "good", seq) for seq in range(1, 11)]
    assert server.post(packets).json()["accepted"] == 10
    server.wait_drained()
    assert len(mongo.documents()) == 9
    tries = sum(document["vehicle"] == "stuck" for command in mongo.inserts()
                for document in command["documents"])
    assert tries == 4
    assert server.metric("motorcade_sink_exhausted_total") == 1


@pytest.mark.parametrize("fault", ["disk_full", "disk_closed"])
def test_a_full_disk_of_the_server_makes_no_dead_letters(motorcade, mongo, fault):
    """However long it lasts: the store waits, unready, and says why."""
    mongo.plan = [fault] * 1000
    server = motorcade(settings(mongo, **{"sink.item_attempts": 3, "sink.breaker_failures": 2}))
    assert server.post([packet("a", seq) for seq in range(1, 11)]).json()["accepted"] == 10
    wait_for(lambda: mongo.done.count(fault) > 10, "more attempts than a packet has")
    wait_for(lambda: server.get("/readyz").status == 503, "the store to be unready")
    assert "disk" in server.log_text()
    assert not mongo.documents()
    mongo.plan = []
    server.wait_drained()
    assert len(mongo.documents()) == 10
    assert server.metric("motorcade_store_dead_letters_total") == 0


def test_or_the_store_pauses_until_it_is_taken(motorcade, mongo):
    mongo.poison = {"stuck": WRITE_CONFLICT}
    server = motorcade(settings(mongo, **{"sink.item_attempts": 3, "sink.on_exhausted": "pause",
                                          "sink.breaker_failures": 2}))
    assert server.post([packet("stuck", 1)]).json()["accepted"] == 1
    wait_for(lambda: server.get("/readyz").status == 503, "the pause")
    assert server.post([packet("good", 2)]).json()["accepted"] == 1
    mongo.poison = {}
    server.wait_drained()
    assert len(mongo.documents()) == 2
    wait_for(lambda: server.get("/readyz").status == 200, "readiness")
    assert server.metric("motorcade_store_dead_letters_total") == 0


def test_wrong_password(motorcade, mongo):
    uri = f"mongodb://user:secret@{mongo.address}/?authMechanism=SCRAM-SHA-256"
    server = motorcade(settings(mongo, **{"sink.mongodb.uri": uri}), wait=False)
    server.wait_event("listening", module="gateway")
    assert server.post([packet("a", 1)]).json()["accepted"] == 1
    wait_for(lambda: server.get("/readyz").status == 503, "the store to be unready")
    wait_for(lambda: "authSource" in server.log_text(), "a hint in the log")
    assert "secret" not in server.log_text()
    assert not mongo.documents()
    server.kill() # a stop would wait for the database for a while


def test_a_killed_process_leaves_nothing_in_shared_memory(motorcade, mongo):
    server = motorcade(settings(mongo))
    server.kill()
    assert not pathlib.Path(f"/dev/shm/mongoc-{server.process.pid}").exists()


def test_a_right_that_is_missing_and_then_given(motorcade, mongo):
    mongo.refuses_auth = True
    server = motorcade(settings(mongo))
    assert server.post([packet("a", 1)]).json()["accepted"] == 1
    wait_for(lambda: "not authorized" in server.log_text(), "the reason in the log")
    mongo.refuses_auth = False
    server.wait_drained()
    assert len(mongo.documents()) == 1


def test_what_read_back_finds_missing_is_written_again(motorcade, mongo):
    mongo.plan = ["lost"]
    server = motorcade(settings(mongo, **{"sink.mongodb.verify_rate": "1"}))
    assert server.post([packet("a", seq) for seq in range(1, 11)]).json()["accepted"] == 10
    server.wait_drained()
    assert len(mongo.documents()) == 10
    assert server.metric("motorcade_sink_verified_total", result="missing") == 10
    assert server.metric("motorcade_sink_verified_total", result="same") == 10


def test_what_is_asked_of_the_server(motorcade, mongo):
    server = motorcade(settings(mongo, **{
        "sink.retention": "7d", "sink.mongodb.w": "2", "sink.mongodb.w_timeout": "3s",
        "sink.mongodb.by_month": "true"}))
    assert server.post([{**packet("a", 1), "time": "2008-05-20T12:00:00Z"},
                        {**packet("a", 2), "time": "2008-06-20T12:00:00Z"}]).json()["accepted"] == 2
    server.wait_drained()
    assert len(mongo.documents("position_2008_05")) == len(mongo.documents("position_2008_06")) == 1
    insert = mongo.inserts()[0]
    assert insert["ordered"] is False
    assert insert["writeConcern"] == {"w": 2, "j": True, "wtimeout": 3000}
    made = [command["indexes"][0] for command in mongo.recorded("createIndexes")
            if command["createIndexes"] == "position_2008_05"]
    assert [index["key"] for index in made] == [
        {"vehicle": 1, "time": 1, "_id": 1}, {"location": "2dsphere"}, {"received": 1}]
    assert made[2]["expireAfterSeconds"] == 7 * 86400


def test_a_page_of_a_track_is_one_question_that_an_index_answers(motorcade, mongo):
    """(vehicle, time, _id): an equality, then what is sorted by, which is what is ranged over."""
    server = motorcade(settings(mongo))
    assert server.post([packet("a", 1)]).json()["accepted"] == 1
    server.wait_drained()
    path = "/vehicles/a/track?from=2008-05-20T12:00:00Z&to=2100-01-01T00:00:00Z&limit=500"
    assert len(server.get(path, address=server.live).json()["track"]) == 1
    asked = [find for find in mongo.recorded("find") if find["filter"].get("vehicle")]
    assert len(asked) == 1 and not mongo.recorded("getMore")
    assert asked[0]["filter"] == {"vehicle": "a", "time": {
        "$gte": datetime.datetime(2008, 5, 20, 12), "$lt": datetime.datetime(2100, 1, 1)}}
    assert list(asked[0]["sort"].items()) == [("time", 1), ("_id", 1)]
    assert (asked[0]["limit"], asked[0]["batchSize"]) == (500, 500)


@pytest.mark.parametrize("code", [13, 27, 59, 67, 238])
def test_packets_come_before_an_index_that_is_refused(motorcade, mongo, code):
    mongo.index_codes = {"location": code}
    server = motorcade(settings(mongo))
    assert server.post([packet("a", 1)]).json()["accepted"] == 1
    server.wait_drained()
    assert len(mongo.documents()) == 1
    assert "an index is not made" in server.log_text()
    code, text = verify(server, mongo)
    assert code == 1 and "MISSING  position: index" in text


def test_an_index_waits_for_the_primary(motorcade, mongo):
    mongo.index_codes = {"location": 10107}
    server = motorcade(settings(mongo))
    assert server.post([packet("a", 1)]).json()["accepted"] == 1
    wait_for(lambda: server.get("/readyz").status == 503, "the store to be unready")
    assert not mongo.documents()
    mongo.index_codes = {}
    server.wait_drained()
    assert len(mongo.documents()) == 1
    assert any("2dsphere" in index["key"].values() for index in mongo.indexes["position"])


def test_a_new_retention_changes_the_index(motorcade, mongo):
    mongo.ttl_conflict = True
    server = motorcade(settings(mongo, **{"sink.retention": "1d"}))
    assert server.post([packet("a", 1)]).json()["accepted"] == 1
    server.wait_drained()
    assert mongo.recorded("collMod")[0]["index"] == {"keyPattern": {"received": 1},
                                                     "expireAfterSeconds": 86400}


def verify(motorcade_process, mongo, *more):
    done = motorcade_process.tool("store", "verify", "--set", "sink.kind=mongodb", "--set",
                                  f"sink.mongodb.uri=mongodb://{mongo.address}", *more, check=False)
    return done.returncode, done.stdout


def test_verify_says_what_is_missing(motorcade):
    mongo = ScriptedMongo()
    server = motorcade(settings(mongo))
    assert server.post([packet("a", 1)]).json()["accepted"] == 1
    server.wait_drained()
    code, text = verify(server, mongo)
    assert code == 0 and "MISSING" not in text
    assert 'ok       position: index {"location": "2dsphere"}' in text

    mongo.indexes["position"] = mongo.indexes["position"][1:]
    code, text = verify(server, mongo)
    assert code == 1
    assert 'MISSING  position: index {"vehicle": 1, "time": 1, "_id": 1} is missing: ' \
        'db.getCollection("position").createIndex({"vehicle": 1, "time": 1, "_id": 1})' in text
    mongo.close()


def test_verify_looks_at_the_write_concern(motorcade, mongo):
    server = motorcade(settings(mongo))
    mongo.hello = {"setName": "rs0", "hosts": ["a:1", "b:1", "c:1"]}
    assert "ok       write concern: w: majority" in verify(server, mongo)[1]
    code, text = verify(server, mongo, "--set", "sink.mongodb.w=1")
    assert code == 1 and "MISSING  write concern: w: 1, j: true: stored packets may be lost" in text
    assert "only 3 members" in verify(server, mongo, "--set", "sink.mongodb.w=4")[1]
    plan = server.tool("store", "plan", "--set", "sink.kind=mongodb").stdout
    assert 'sh.shardCollection("motorcade.position", { _id: 1 })' in plan.splitlines()
    assert json.dumps(plan).count("splitAt") >= 45
