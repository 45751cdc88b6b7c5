# SPDX-License-Identifier: Apache-2.0
"""`motorcade produce` into the journal, and what becomes of it."""

import json
import signal
import subprocess
import time

import pytest

from conftest import BINARY, PATIENCE_S, free_port, request, wait_for


@pytest.fixture
def tool(tmp_path):
    """Runs a subcommand in a folder of its own, its data beside it."""
    def run(*arguments, check=True):
        done = subprocess.run([BINARY, *map(str, arguments)], cwd=tmp_path, capture_output=True,
                              text=True, timeout=10 * PATIENCE_S, check=False)
        if check and done.returncode != 0:
            pytest.fail(f"{arguments} exited with {done.returncode}:\n{done.stderr}")
        return done

    run.data = tmp_path / "data"
    run.folder = tmp_path
    return run


def produce(tool, *arguments, check=True):
    return tool("produce", "--data", tool.data, "--json", "--quiet", *arguments, check=check)


def records(tool, topic):
    lines = tool("tail", topic, "--format", "json", "--data", tool.data).stdout.splitlines()
    return [json.loads(line) for line in lines]


def test_every_message_is_in_the_topic_once(tool):
    report = json.loads(produce(tool, "--count", "5000", "--rate", "max").stdout)
    assert report["generated"] == report["durable"] == 5000
    assert report["dead_letters"] == 0 and report["ok"]
    found = records(tool, "data-topic")
    packets = [json.loads(record["value"]) for record in found]
    assert sorted(packet["payload"]["seq"] for packet in packets) == list(range(1, 5001))
    assert all(record["key"] == packet["source"] for record, packet in zip(found, packets))
    assert not list(tool.folder.glob("*.jsonl"))


def test_the_handler_takes_them_for_packets(tool, motorcade):
    produce(tool, "--count", "300", "--rate", "max", "--message",
            '{"obuid":{{int 1 5}},"lat":{{float 1 90}},"lon":{{float 1 90}},"n":{{counter}}}')
    server = motorcade(data=tool.data)
    server.wait_count(300)
    assert server.metric("motorcade_handler_dead_letters_total") == 0


def test_the_rate_is_kept(tool):
    """28 a second by default; how far behind depends on the machine, the schedule does not."""
    begun = time.monotonic()
    report = json.loads(produce(tool, "--count", "57").stdout)
    assert time.monotonic() - begun >= 2.0
    assert report["seconds"] >= 2.0 and report["durable"] == 57
    quick = json.loads(produce(tool, "--rate", "1000", "--duration", "500ms").stdout)
    assert quick["generated"] + quick["undue"] == 500


def test_a_key_of_the_message(tool):
    produce(tool, "--topic", "events", "--key", "device.id", "--count", "50", "--rate", "max",
            "--message", '{"device":{"id":"d{{int 1 3}}"},"v":{{float 0 1}}}')
    found = records(tool, "events")
    assert len(found) == 50
    assert all(json.loads(r["value"])["device"]["id"] == r["key"] for r in found)


def test_what_has_no_key_is_a_dead_letter(tool):
    done = produce(tool, "--topic", "events", "--key", "id", "--count", "40", "--rate", "max",
                   "--seed", "3", "--dead-letters", "left.jsonl", "--message",
                   '{"id":"a"{{either}}}{{or}}',  check=False)
    assert done.returncode == 78 and "{{end}} is missing" in done.stderr
    done = produce(tool, "--topic", "events", "--key", "id", "--count", "40", "--rate", "max",
                   "--seed", "3", "--dead-letters", "left.jsonl", "--message",
                   '{{either}}{"id":"a"}{{or}}{"no":1}{{end}}', check=False)
    if done.returncode == 78:  # the first one of this seed has none: told at once
        pytest.fail("seed 3 was chosen for a first message with a key: " + done.stderr)
    report = json.loads(done.stdout)
    letters = [json.loads(line) for line in (tool.folder / "left.jsonl").read_text().splitlines()]
    assert done.returncode == 1 and "left.jsonl" in done.stderr
    assert 0 < len(letters) == report["dead_letters"] == 40 - report["durable"]
    assert {letter["reason"] for letter in letters} == {"no_key"}
    assert len(records(tool, "events")) == report["durable"]


def test_too_large_a_message_is_a_dead_letter(tool):
    done = produce(tool, "--topic", "events", "--count", "5", "--rate", "max", "--set",
                   "broker.record_bytes_max=2KiB", "--key", "k", "--message",
                   '{"k":"{{string 1000}}","v":"{{string 950}}"}', check=False)
    letters = (tool.folder / "motorcade-produce.dead-letters.jsonl").read_text().splitlines()
    assert done.returncode == 1 and len(letters) == 5
    assert {json.loads(letter)["reason"] for letter in letters} == {"too_large"}


@pytest.mark.parametrize("arguments, code, words", [
    (["--rate", "fast"], 2, "--rate fast"),
    (["--message", "{{uid}}"], 78, "line 1, column 1: {{uid}}: expected uuid"),
    (["--message", "temperature"], 78, "no packet (not_json"),
    (["--message", '{"a":1}', "--topic", "t", "--key", "b"], 78, "name another field with --key"),
    (["--template", "missing.json"], 1, "missing.json"),
    (["--dead-letters", "no/folder/file"], 1, "name another with --dead-letters"),
    (["--topic", "Bad Name"], 78, "topic name"),
])
def test_what_is_wrong_is_said_before_anything_is_made(tool, arguments, code, words):
    done = produce(tool, "--count", "1", *arguments, check=False)
    assert done.returncode == code and words in done.stderr, done.stderr
    assert done.stdout == ""


def test_a_folder_in_use_is_named(tool, motorcade):
    motorcade(role="gateway", data=tool.data)
    done = produce(tool, "--count", "1", check=False)
    assert done.returncode == 1
    assert "pipe produce --print into motorcade replay" in done.stderr


def test_printed_messages_go_to_a_gateway_by_replay(tool, motorcade):
    server = motorcade()
    lines = tool("produce", "--print", "--count", "200").stdout
    server.tool("replay", "-", "--url", f"ws://{server.gateway}/ws", "--speed", "max", stdin=lines)
    server.wait_count(200)


def test_a_signal_ends_it_in_order_and_metrics_are_served(tool):
    admin = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen([BINARY, "produce", "--data", tool.data, "--rate", "200", "--json",
                                "--quiet", "--admin", admin], cwd=tool.folder, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        def durable():
            try:
                page = request(admin, "GET", "/metrics").body.decode()
            except OSError:
                return False
            name = 'motorcade_produce_settled_messages_total{outcome="durable"}'
            return any(line.startswith(name) and float(line.split()[-1]) > 20
                       for line in page.splitlines())

        wait_for(durable, "messages to become durable")
        process.send_signal(signal.SIGTERM)
        report = json.loads(process.communicate(timeout=PATIENCE_S)[0])
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert report["durable"] == report["generated"] > 20
    assert len(records(tool, "data-topic")) == report["durable"]
