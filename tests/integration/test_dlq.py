# SPDX-License-Identifier: Apache-2.0
"""`motorcade dlq` over the journal: beside the process that writes it, and alone."""

import json
import pathlib

import pytest

from car import Car
from conftest import ROOT, Motorcade, wait_for

DEFAULT_RULES = (ROOT / "config" / "rules" / "default.yaml").read_text(encoding="utf-8")
STRICT = DEFAULT_RULES.replace("min: -90", "min: -45").replace("max: 90", "max: 45")


def packet(vehicle, lat, seq=1):
    return {"obuid": vehicle, "lat": lat, "lon": 7, "seq": seq}


def dlq(server, *words, check=True):
    return server.tool("dlq", *words, "--data", server.data, "--set",
                       f"gateway.listen={server.gateway}", check=check)


def letters(server, *words):
    return [json.loads(line) for line in dlq(server, *words, "--json").stdout.splitlines()]


def wait_letters(server, count, *words):
    wait_for(lambda: len(letters(server, "list", *words)) == count, f"{count} dead letters")


@pytest.fixture
def strict(motorcade, tmp_path):
    """A server whose rules refuse what the default ones let pass."""
    rules = tmp_path / "rules.yaml"
    assert STRICT != DEFAULT_RULES
    rules.write_text(STRICT, encoding="utf-8")
    server = motorcade({"handler.rules": str(rules)})
    server.rules = rules
    return server


def loosen(server):
    server.rules.write_text(DEFAULT_RULES, encoding="utf-8")
    server.hang_up()


def test_list_and_show_beside_the_writer(motorcade):
    server = motorcade()
    assert dlq(server, "list").stdout == ""
    for i in range(3):
        assert server.post(packet(f"car{i}", 91 + i)).status == 200
    server.post(packet("good", 1))
    wait_letters(server, 3)
    found = letters(server, "list")
    assert [letter["vehicle"] for letter in found] == ["car0", "car1", "car2"]
    assert {letter["reason"] for letter in found} == {"range"}
    assert {letter["state"] for letter in found} == {"open"}
    assert all("lat 9" in letter["detail"] and letter["source_topic"] == "gpscoords"
               for letter in found)
    [one] = letters(server, "show", found[1]["id"])
    assert json.loads(one["value"]) == packet("car1", 92)
    assert [x["vehicle"] for x in letters(server, "list", "--vehicle", "car2")] == ["car2"]
    assert letters(server, "list", "--reason", "max_age") == []
    assert len(letters(server, "list", "--since", "10m")) == 3
    assert letters(server, "list", "--until", "10m") == []
    assert len(letters(server, "list", "-n", "2")) == 2
    text = dlq(server, "show", found[0]["id"][:20]).stdout
    assert "A number is outside its range." in text and '"obuid"' in text
    assert "there is no such dead letter" in dlq(server, "show", "ffffff", check=False).stderr


def test_a_replay_is_stored_once_and_not_sent_twice(strict):
    server = strict
    for i in range(20):
        assert server.post(packet(f"car{i}", 60)).status == 200
    wait_letters(server, 20)
    identities = {letter["id"] for letter in letters(server, "list")}
    assert server.count() == 0
    loosen(server)

    done = json.loads(dlq(server, "replay", "--vehicle", "car3", "--json").stdout)
    assert done == {"replayed": 1, "failed": 0, "unreplayable": 0}
    server.wait_count(1)
    assert "replayed 19, failed 0" in dlq(server, "replay").stdout
    server.wait_count(20)
    assert "replayed 0, failed 0" in dlq(server, "replay").stdout
    # Even asked for, the store knows them.
    assert "replayed 20, failed 0" in dlq(server, "replay", "--state", "replayed").stdout
    server.wait_drained()
    assert server.count() == 20

    found = letters(server, "list")
    assert {letter["state"] for letter in found} == {"replayed"}
    assert {letter["id"] for letter in found} == identities
    assert all(letter["replayed"] and letter["letters"] == 1 for letter in found)


def test_what_fails_again_is_told_apart(strict):
    server = strict
    server.post(packet("stays", 91))
    server.post(packet("goes", 60))
    wait_letters(server, 2)
    assert "replayed 2" in dlq(server, "replay").stdout
    wait_letters(server, 2, "--state", "again")
    assert {letter["replays"] for letter in letters(server, "list")} == {1}

    loosen(server)
    assert "replayed 0" in dlq(server, "replay").stdout  # not by itself
    assert "replayed 2" in dlq(server, "replay", "--state", "again").stdout
    server.wait_count(1)
    wait_letters(server, 1, "--state", "again")
    states = {letter["vehicle"]: (letter["state"], letter["replays"], letter["letters"])
              for letter in letters(server, "list")}
    assert states == {"goes": ("replayed", 1, 2), "stays": ("again", 2, 3)}


def test_a_replay_without_the_writer(strict):
    server = strict
    server.post([packet("a", 60), packet("b", 91)])
    wait_letters(server, 2)
    assert server.stop() == 0
    server.rules.write_text(DEFAULT_RULES, encoding="utf-8")
    assert "replayed 2, failed 0" in dlq(server, "replay").stdout
    assert {letter["state"] for letter in letters(server, "list")} == {"replayed"}
    server.start()
    server.wait_count(1)
    wait_letters(server, 1, "--state", "again")
    assert letters(server, "list", "--state", "again")[0]["vehicle"] == "b"


def test_bytes_that_nobody_could_decode(motorcade):
    server = motorcade()
    with Car(f"ws://{server.gateway}/ws", subprotocols=()) as car:
        car.send("junk")
        wait_letters(server, 1)
    [letter] = letters(server, "list")
    assert (letter["reason"], letter["dialect"]) == ("not_json", "unknown")
    assert json.loads(dlq(server, "replay", "--json").stdout)["replayed"] == 1
    wait_letters(server, 1, "--state", "again")  # the handler can't read it either
    wait_letters(server, 1, "--state", "replayed")
    [again] = letters(server, "list", "--state", "again")
    assert (again["reason"], again["replays"]) == ("undecodable", 1)
    assert letters(server, "show", again["id"])[0]["value"] == "junk"


def test_the_page_behind_it_refuses_what_it_should(motorcade):
    server = motorcade()
    assert server.get("/admin/dlq/replay").status == 405
    assert server.post(b"", path="/admin/dlq/replay?reason=none-such").status == 400
    assert server.post(b"", path="/admin/dlq/replay", Origin="http://evil.example").status == 403
    assert server.post(b"", path="/admin/dlq/status").json()["state"] == "idle"
    assert server.post(b"", path="/admin/dlq/replay").status == 202
    wait_for(lambda: server.post(b"", path="/admin/dlq/status").json()["state"] == "done", "it to end")


@pytest.mark.parametrize("words, code, text", [
    (["list", "--reason", "none-such"], 2, "no such reason"),
    (["show", "xyz"], 2, "hex digits"),
    (["list", "abc"], 2, "takes no ID"),
    (["empty"], 2, "expected list, show, replay or purge"),
    (["purge", "--before", "1d"], 78, "broker.dead_letter_cap"),
    (["replay"], 1, "there is no journal"),
])
def test_what_is_wrong_says_what_is_right(tmp_path, words, code, text):
    server = Motorcade(tmp_path / "none")
    done = dlq(server, *words, check=False)
    assert done.returncode == code and text in done.stderr, done.stderr
    assert not pathlib.Path(server.data).exists()


def test_a_writer_that_can_not_be_asked_is_named(motorcade):
    server = motorcade()
    done = server.tool("dlq", "replay", "--data", server.data, "--url", "http://127.0.0.1:1",
                       check=False)
    assert done.returncode == 1 and "http://127.0.0.1:1/admin/dlq/replay does not answer" in done.stderr
    done = server.tool("dlq", "replay", "--data", server.data, "--url", f"http://{server.live}",
                       check=False)
    assert done.returncode == 1 and "name its address with --url" in done.stderr
