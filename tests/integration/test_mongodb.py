# SPDX-License-Identifier: Apache-2.0
"""The store over a real server of MongoDB's protocol: faults that must lose and double nothing."""

import concurrent.futures
import csv
import json
import os
import random
import signal
import time

import pytest

import checker
import conftest
from conftest import PATIENCE_S, wait_for
from mongo_server import MongoServer
from test_faults import acked_lines, start_fleet
from test_traces import lines, replay, utc_text  # noqa: F401 (lines is a fixture)

SOAK = os.environ.get("MOTORCADE_SOAK") == "1"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    MongoServer.need()
    server = MongoServer(tmp_path_factory.mktemp("mongodb")).start()
    yield server
    server.close()


@pytest.fixture
def mongodb(tmp_path):
    """A server that may be killed."""
    MongoServer.need()
    server = MongoServer(tmp_path).start()
    yield server
    server.close()


@pytest.fixture
def database(request):
    """A database of its own, dropped when the server is not this test's alone."""
    name = f"motorcade_test_{os.getpid()}_{random.randrange(1 << 32):08x}"
    is_shared = "shared" in request.fixturenames
    server = request.getfixturevalue("shared" if is_shared else "mongodb")
    yield name
    if is_shared or server.given:
        with server.client() as client:
            client.drop_database(name)


def settings(mongodb, database, **more):
    return {"sink.kind": "mongodb", "sink.mongodb.uri": mongodb.uri,
            "sink.mongodb.database": database, "sink.mongodb.selection_timeout": "1s",
            "sink.retry_delay_max": "200ms", "sink.breaker_delay": "200ms",
            "sink.mongodb.indexes": "vehicle+time+_id", **more}


def documents(mongodb, database, collection="position"):
    with mongodb.client() as client:
        return list(client[database][collection].find())


def read_rows(mongodb, database):
    """As checker.check wants them: (vehicle, seq, identity), in the order of the store."""
    return [(each["vehicle"], int(each["_id"][24:32], 16), each["_id"])
            for each in sorted(documents(mongodb, database), key=lambda each: each["_id"])]


def packet(vehicle, seq, **more):
    return {"obuid": vehicle, "epoch": 1, "seq": seq, "lat": 37.5, "lon": -122.25, **more}


# ---- what is stored ----

def test_documents_tracks_and_queries(motorcade, shared, database):
    server = motorcade(settings(shared, database))
    packets = [packet(vehicle, seq, time=1211284800000 + 1000 * seq, speed=10)
               for vehicle in ("a", "b") for seq in range(1, 31)]
    assert server.post(packets).status == 200
    server.wait_count(60)
    stored = documents(shared, database)
    assert len(stored) == 60
    one = next(each for each in stored if each["vehicle"] == "a" and each["_id"][24:32] == "0000000c")
    assert one["location"] == {"type": "Point", "coordinates": [-122.25, 37.5]}
    assert one["time"].isoformat() == "2008-05-20T12:00:12"
    assert one["source"]["topic"] == "gpscoords.position"

    rows = [json.loads(line) for line in server.query(
        "--vehicle", "a", "--format", "json", "--from", "2008-05-20T12:00:10Z",
        "--to", "2008-05-20T12:00:20Z").stdout.splitlines()]
    assert [row["time"] for row in rows] == [utc_text(1211284800 + s) for s in range(10, 20)]
    track = server.get("/vehicles/b/track?from=2008-05-20T12:00:05Z&to=2008-05-20T12:00:08Z",
                       address=server.live).json()
    assert [row["time"] for row in track["track"]] == [utc_text(1211284800 + s)
                                                         for s in range(5, 8)]


def test_sent_again_changes_nothing(motorcade, shared, database):
    server = motorcade(settings(shared, database, **{
        "sink.mongodb.verify_rate": "1", "sink.retention": "90d",
        "sink.mongodb.indexes": "vehicle+time+_id, location:2dsphere, received:ttl"}))
    packets = [packet("a", seq) for seq in range(1, 101)]
    for _ in range(3):
        assert server.post(packets).status == 200
        server.wait_drained()
    assert len(documents(shared, database)) == 100
    assert server.metric("motorcade_sink_verified_total", result="same") == 100
    assert server.metric("motorcade_sink_verified_total", result="different") == 0


# ---- faults ----

def test_server_killed_and_restarted_under_load(motorcade, mongodb, database, tmp_path):
    if mongodb.given:
        pytest.skip("SKIP: the server given by MOTORCADE_TEST_MONGODB_URI is not ours to kill")
    server = motorcade(settings(mongodb, database))
    ack_log, chance = tmp_path / "acks.log", random.Random(5)
    fleet = start_fleet(server, ack_log, seed=3, vehicles=50, rate=2)
    try:
        for _ in range(20):
            before = acked_lines(ack_log)
            wait_for(lambda: acked_lines(ack_log) > before, "acks while the database is away")
            # Not a wait for anything: the moment of the kill is what is random.
            time.sleep(chance.uniform(0, 0.3))
            mongodb.kill()
            mongodb.start()
    finally:
        fleet.send_signal(signal.SIGINT)
        output, _ = fleet.communicate(timeout=2 * PATIENCE_S)
    assert fleet.returncode == 0, output
    acks = checker.read_acks(ack_log)
    server.wait_drained()
    checker.check(acks, read_rows(mongodb, database))
    assert server.metric("motorcade_sink_retries_total") > 0


def test_store_killed_under_load(motorcade, shared, database, tmp_path):
    cycles = 60 if SOAK else 3
    # Without a snapshot each start asks for each vehicle's newest document; FerretDB reads all
    # of them for that.
    server = motorcade(settings(shared, database, **{"live.snapshot_interval": "100ms"}))
    ack_log, chance = tmp_path / "acks.log", random.Random(6)
    fleet = start_fleet(server, ack_log, seed=4, vehicles=50, rate=2)
    try:
        for _ in range(cycles):
            before = acked_lines(ack_log)
            wait_for(lambda: acked_lines(ack_log) > before, "acks between two kills")
            time.sleep(chance.uniform(0, 0.5)) # as above
            server.kill()
            server.start()
    finally:
        fleet.send_signal(signal.SIGINT)
        output, _ = fleet.communicate(timeout=2 * PATIENCE_S)
    assert fleet.returncode == 0, output
    acks = checker.read_acks(ack_log)
    server.wait_drained()
    checker.check(acks, read_rows(shared, database))


def test_database_away_at_the_start(motorcade, mongodb, database):
    if mongodb.given:
        pytest.skip("SKIP: the server given by MOTORCADE_TEST_MONGODB_URI is not ours to kill")
    mongodb.kill()
    server = motorcade(settings(mongodb, database), wait=False)
    server.wait_event("listening", module="gateway")
    assert server.post([packet("a", seq) for seq in range(1, 51)]).status == 200
    wait_for(lambda: server.metric("motorcade_sink_circuit_state") > 0, "the circuit to open")
    assert server.post([packet("b", seq) for seq in range(1, 51)]).status == 200
    mongodb.start()
    server.wait_drained()
    assert len(documents(mongodb, database)) == 100
    wait_for(lambda: server.get("/readyz").status == 200, "readiness")


def test_one_database_away_does_not_hold_up_the_other(motorcade, mongodb, database):
    if mongodb.given:
        pytest.skip("SKIP: the server given by MOTORCADE_TEST_MONGODB_URI is not ours to kill")
    packets = [packet("a", seq, time=1211284800000 + seq) for seq in range(1, 101)]
    server = motorcade({"sink.kind": "sqlite"})
    assert server.post(packets[:10]).status == 200
    server.wait_drained()
    assert server.stop() == 0

    # A sink that is added keeps the position of the one that was there.
    server.settings |= settings(mongodb, database, **{
        "sink.kind": "sqlite", "sink.sinks": "sqlite,mongodb"})
    mongodb.kill()
    server.start(wait=False)
    server.wait_event("listening", module="gateway")
    assert server.post(packets[10:]).status == 200
    server.wait_drained() # group store: SQLite
    assert server.count() == 100
    assert server.metric("motorcade_broker_lag_records", group="store-mongodb") > 0
    wait_for(lambda: not server.get("/readyz").json()["ready"], "the circuit to open")

    mongodb.start()
    wait_for(lambda: server.metric("motorcade_broker_lag_records", group="store-mongodb") == 0,
             "MongoDB to catch up")
    assert len(documents(mongodb, database)) == 100 # from the beginning of what the journal has
    assert server.metric("motorcade_sink_duplicates_total") == 0


# ---- real reports ----

# FerretDB reads all documents for each question, however busy the machine is. `socket_timeout` has
# an upper limit; the option of the connection string has none.
def patient(uri):
    return uri + ("&" if "?" in uri else "/?") + "socketTimeoutMS=3600000"


@pytest.mark.skipif(not SOAK, reason="a day of cabs over a test server takes long: make soak")
def test_a_day_of_cabs_twice_with_the_server_killed(motorcade, mongodb, database, lines): # noqa: F811
    server = motorcade(settings(mongodb, database, **{"sink.mongodb.uri": patient(mongodb.uri)}))
    for round_number in range(2):
        assert replay(server)["acked"] == len(lines)
        for _ in range(3 if not mongodb.given else 0):
            lag = server.metric("motorcade_broker_lag_records", group="store")
            wait_for(lambda: server.metric("motorcade_broker_lag_records", group="store") <
                     max(lag - 1000, 1), "the store to go on", 60 * PATIENCE_S)
            mongodb.kill()
            mongodb.start()
        wait_for(lambda: server.metric("motorcade_broker_lag_records", group="store") == 0 and
                 server.metric("motorcade_broker_lag_records", group="handler") == 0,
                 "the day to be stored", 60 * PATIENCE_S)
        assert mongodb.count(database) == len(lines), round_number
    assert_ranges_equal_the_csv(server, server, lines)
    with mongodb.client() as client: # stored as fields, none of them with its text beside them
        assert not list(client[database]["position"].find({"canonical": {"$exists": True}}).limit(1))


def expected_rows(lines, begin, end, cab=None): # noqa: F811
    return [(v, utc_text(t), lat, lon) for v, t, lat, lon, _ in lines
            if cab in (None, v) and begin <= t < end]


def queried_rows(server, begin, end, cab=None):
    words = ["--vehicle", cab] if cab else []
    found = server.query(*words, "--from", begin, "--to", end, "--format", "csv")
    return [(row["vehicle"], row["time"], float(row["lat"]), float(row["lon"]))
            for row in csv.DictReader(found.stdout.splitlines())]


def track_rows(live, begin, end, cab):
    rows, cursor = [], ""
    while cursor is not None:
        path = f"/vehicles/{cab}/track?from={begin}&to={end}&limit=1000{cursor}"
        page = conftest.request(live.live, "GET", path, timeout_s=60 * PATIENCE_S).json()
        rows += [(row["vehicle"], row["time"], row["lat"], row["lon"]) for row in page["track"]]
        cursor = f"&cursor={page['next']}" if "next" in page else None
    return rows


def assert_ranges_equal_the_csv(server, live, lines): # noqa: F811
    """Of cabs from `motorcade query` and from live, and of the whole fleet. Asked side by side: each
    takes its time where the server reads all documents for it."""
    times, chance = sorted(line[1] for line in lines), random.Random(7)
    cabs = chance.sample(sorted({line[0] for line in lines}), 4)
    questions = [(queried_rows, server, *sorted(chance.sample(times, 2)), cab) for cab in cabs[:3]]
    questions += [(track_rows, live, *sorted(chance.sample(times, 2)), cabs[0]),
                  (track_rows, live, times[0], times[-1] + 1, cabs[3])]
    moment = chance.choice(times[len(times) // 2:])
    questions.append((queried_rows, server, moment, moment + 60))
    with concurrent.futures.ThreadPoolExecutor(len(questions)) as pool:
        answers = [pool.submit(ask, *question) for ask, *question in questions]
    for (_, _, begin, end, *cab), answer in zip(questions, answers):
        rows, expected = answer.result(), expected_rows(lines, begin, end, *cab)
        assert expected, (begin, end, cab)
        # A vehicle's rows come in order of time, vehicles in an order of their own.
        assert (rows if cab else sorted(rows)) == (expected if cab else sorted(expected))


# ---- what only MongoDB itself has ----

@pytest.fixture
def genuine(shared):
    if not shared.is_genuine():
        pytest.skip("SKIP: 2dsphere, $near and TTL need a real mongod (on PATH, or "
                    "MOTORCADE_TEST_MONGODB_URI)")
    return shared


def test_near(motorcade, genuine, database):
    server = motorcade(settings(genuine, database, **{
        "sink.mongodb.indexes": "vehicle+time+_id, location:2dsphere, received:ttl",
        "sink.retention": "1d"}))
    assert server.post([{"obuid": f"v{i}", "lat": 10 + i / 100, "lon": 20, "time": 1211284800}
                        for i in range(50)]).status == 200
    server.wait_count(50)
    with genuine.client() as client:
        near = client[database]["position"].find({"location": {"$near": {
            "$geometry": {"type": "Point", "coordinates": [20, 10]}, "$maxDistance": 5000}}})
        assert [each["vehicle"] for each in near] == ["v0", "v1", "v2", "v3", "v4"]
        keys = client[database]["position"].index_information()
        assert any(index.get("expireAfterSeconds") == 86400 for index in keys.values())
    verified = server.tool("store", "verify", *server.sink_settings())
    assert "MISSING" not in verified.stdout


def test_a_track_is_read_by_the_index(motorcade, genuine, database):
    """What the server's profiler says of live's own questions."""
    server = motorcade(settings(genuine, database))
    for first in range(1, 1001, 100):
        assert server.post([packet(vehicle, seq, time=1211284800000 + 1000 * seq)
                            for vehicle in ("a", "b", "c", "d")
                            for seq in range(first, first + 100)]).status == 200
    server.wait_drained()
    with genuine.client() as client:
        client[database].command("profile", 2)
        path = "/vehicles/b/track?from=2008-05-20T12:01:00Z&to=2008-05-20T12:11:00Z&limit=400"
        page = server.get(path, address=server.live).json()
        rest = server.get(f"{path}&cursor={page['next']}", address=server.live).json()
        client[database].command("profile", 0)
        asked = list(client[database]["system.profile"].find(
            {"op": "query", "command.find": "position"}))
    assert (len(page["track"]), len(rest["track"])) == (400, 200)
    assert len(asked) == 2
    for question in asked:
        assert "vehicle: 1, time: 1, _id: 1" in question["planSummary"]
        assert not question.get("hasSortStage")
        assert question["docsExamined"] == question["nreturned"]
        assert question["keysExamined"] <= question["nreturned"] + 2
