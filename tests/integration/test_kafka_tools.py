# SPDX-License-Identifier: Apache-2.0
"""produce, tail and dlq over a real Kafka."""

import json
import subprocess

import pytest

from conftest import BINARY, PATIENCE_S, ROOT, wait_for
from kafka_system import System

STRICT = (ROOT / "config" / "rules" / "default.yaml").read_text(encoding="utf-8").replace(
    "min: -90, max: 90", "min: -45, max: 45")


@pytest.fixture
def system(kafka, tmp_path):
    """Topics are there, no role runs yet."""
    system = System(kafka, tmp_path)
    tool(system, "topics", "create")
    try:
        yield system
    finally:
        system.close()


def tool(system, *words, code=0):
    command = [str(BINARY), *map(str, words), "--data", str(system.folder / "tool")]
    for setting, value in system.settings.items():
        command += ["--set", f"{setting}={value}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10 * PATIENCE_S,
                          check=False, cwd=system.folder)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def dlq(system, *words):
    return lines(tool(system, "dlq", *words, "--json"))


def dead_letter_documents(system):
    """As central logs get them."""
    return lines(tool(system, "tail", "gpscoords.dead-letters", "--format", "ecs"))


def wait_letters(system, count, *words):
    wait_for(lambda: len(dlq(system, "list", *words)) == count, f"{count} dead letters")


def test_produce_with_compression_and_what_a_foreign_consumer_reads(system):
    [report] = lines(tool(system, "produce", "--count", 3000, "--rate", "max", "--json", "--quiet",
                          "--compression", "lz4"))
    assert report["durable"] == report["generated"] == 3000 and report["ok"]
    text = system.cluster.kcat("-C", "-t", system.topic("data-topic"), "-e", "-q", "-f",
                               "%k\\t%s\\n")
    records = [line.split("\t") for line in text.split("\n")[:-1]]
    packets = [json.loads(value) for _, value in records]
    assert sorted(packet["payload"]["seq"] for packet in packets) == list(range(1, 3001))
    assert all(key == packet["source"] for (key, _), packet in zip(records, packets))

    # What cars would have sent goes through handler and store like theirs.
    store = system.role("store")
    system.role("handler")
    store.wait_count(3000)


def test_produce_to_a_topic_of_its_own_and_one_that_is_missing(system):
    topic = system.cluster.create_topic(system.topic("events"))
    tool(system, "produce", "--topic", "events", "--key", "id", "--count", 50, "--rate", "max",
         "--message", '{"id":"d{{int 1 9}}","n":{{counter}}}', "--quiet")
    assert len(system.cluster.read(topic)) == 50
    system.settings["kafka.topic.create"] = "false"
    done = tool(system, "produce", "--topic", "missing", "--count", 1, "--quiet", code=1)
    assert f'no topic "{system.topic("missing")}"' in done.stderr and done.stdout == ""


def test_tail_from_everywhere(system):
    system.cluster.produce(system.topic("gpscoords"), [(f"car{i}", f"first {i}") for i in range(20)])
    everything = lines(tool(system, "tail", "gpscoords", "--format", "json"))
    assert sorted(r["value"] for r in everything) == sorted(f"first {i}" for i in range(20))
    assert tool(system, "tail", "gpscoords", "--from", "latest").stdout == ""
    assert len(tool(system, "tail", "gpscoords", "-n", 5).stdout.splitlines()) == 5
    assert len(lines(tool(system, "tail", "gpscoords", "--from", "10m", "--format", "json"))) == 20
    assert tool(system, "tail", "gpscoords", "--from", "2100-01-01T00:00:00Z").stdout == ""
    later = lines(tool(system, "tail", "gpscoords", "--from", "2", "--format", "json"))
    assert later and all(r["offset"] >= 2 for r in later)
    assert len(later) == sum(r["offset"] >= 2 for r in everything)

    settings = [word for pair in system.settings.items()
                for word in ("--set", f"{pair[0]}={pair[1]}")]
    follower = subprocess.Popen([str(BINARY), "tail", "gpscoords", "--follow", "--from", "earliest",
                                 "--format", "value", *settings], stdout=subprocess.PIPE, text=True)
    try:
        seen = {follower.stdout.readline().strip() for _ in range(20)}
        assert len(seen) == 20
        system.cluster.produce(system.topic("gpscoords"), [("car1", "second")])
        assert follower.stdout.readline() == "second\n"
    finally:
        follower.kill()
        follower.wait()


def test_dead_letters_are_listed_replayed_once_and_purged(system):
    rules = system.folder / "rules.yaml"
    rules.write_text(STRICT, encoding="utf-8")
    store, handler, gateway = (system.role(role, {"handler.rules": str(rules)})
                               for role in ("store", "handler", "gateway"))
    packets = [{"obuid": f"car{i}", "lat": 60 if i else 91, "lon": 7, "seq": 1} for i in range(12)]
    assert gateway.post(packets).json()["accepted"] == 12
    wait_letters(system, 12)
    found = dlq(system, "list", "--vehicle", "car3")
    assert [(x["reason"], x["state"], x["source_topic"]) for x in found] == [
        ("range", "open", "gpscoords")]
    assert json.loads(dlq(system, "show", found[0]["id"])[0]["value"]) == packets[3]
    documents = {one["motorcade.vehicle"]: one for one in dead_letter_documents(system)}
    assert len(documents) == 12
    assert documents["car3"]["event.id"] == found[0]["id"]
    assert json.loads(documents["car3"]["event.original"]) == packets[3]

    handler.stop()
    rules.write_text(STRICT.replace("min: -45, max: 45", "min: -90, max: 90"), encoding="utf-8")
    handler.start()
    assert dlq(system, "replay") == [{"replayed": 12, "failed": 0, "unreplayable": 0}]
    store.wait_count(11)
    wait_letters(system, 1, "--state", "again")
    wait_letters(system, 11, "--state", "replayed")
    assert dlq(system, "replay") == [{"replayed": 0, "failed": 0, "unreplayable": 0}]
    # Sent although it is there: the store knows it.
    assert dlq(system, "replay", "--vehicle", "car5", "--state", "replayed")[0]["replayed"] == 1
    system.wait_drained()
    assert store.count() == 11
    # Marks of what was replayed are no dead letters.
    assert all(one["event.original"] for one in dead_letter_documents(system))

    done = tool(system, "dlq", "purge", "--before", "now", code=2)
    assert "1 of them dead letters that were not replayed" in done.stdout
    assert "add --yes" in done.stderr
    wait_letters(system, 12)
    assert dlq(system, "purge", "--before", "1d", "--yes")[0]["records"] == 0
    [purged] = dlq(system, "purge", "--before", "now", "--yes")
    assert purged["deleted"] and purged["open"] == 1 and purged["records"] >= 25
    assert dlq(system, "list") == []


def test_a_cluster_that_is_away_is_told_before_anything_is_made(system):
    system.settings["kafka.start_timeout"] = "1s"
    system.settings["kafka.brokers"] = "127.0.0.1:1"
    done = tool(system, "produce", "--count", 3, "--quiet", code=1)
    assert "is the cluster up" in done.stderr and done.stdout == ""
