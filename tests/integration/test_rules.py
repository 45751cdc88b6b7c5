# SPDX-License-Identifier: Apache-2.0
"""motorcade rules: checking, trying and describing rulesets; reloading them."""

import json
import re
import subprocess

import pytest

from conftest import BINARY, ROOT, free_port, request, wait_for

POSITION = {"obuid": 1, "lat": 1, "lon": 2}

STRICT = """\
version: 1
categories:
  - name: position
    match: {present: [lat, lon]}
    rules:
      - {id: slow, kind: range, field: speed, max: 30}
      - {id: seldom, kind: rate, limit: 2, per: 1h, on_fail: flag}
"""


def tool(*arguments, code=0, given=None):
    done = subprocess.run([str(BINARY), "rules", *map(str, arguments)], capture_output=True,
                          text=True, input=given, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def write(path, text):
    path.write_text(text)
    return path


def lines(packets):
    return "".join(json.dumps(packet) + "\n" for packet in packets)


# ---- check ----


def test_check_says_what_it_is_or_the_first_mistake(tmp_path):
    good = write(tmp_path / "good.yaml", STRICT)
    assert "2 categories, 2 rules" in tool("check", good)
    assert "looks back 1h" in tool("check", good)
    bad = write(tmp_path / "bad.yaml", "version: 1\nrules:\n  - {id: a, kind: rang}\n")
    text = tool("check", bad, code=78)
    assert "bad.yaml:3:19:" in text and 'did you mean "range"' in text


def test_check_takes_files_together(tmp_path):
    one = write(tmp_path / "one.yaml", STRICT)
    two = write(tmp_path / "two.yaml",
                "rules: [{id: b, kind: required, fields: time, category: position}]\n")
    assert "no category is named" in tool("check", two, code=78)
    assert "2 categories, 3 rules" in tool("check", one, two)
    assert "2 categories, 3 rules" in tool("check", tmp_path)


@pytest.mark.parametrize("text, words", [
    ("rules: &a [*a]\n", "an alias to what it stands in"),
    ("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n"
        for i in range(8)), ""),
    ("rules: [{id: \"\xff\"}]\n", ""),
    ("rules: !!python/object:os.system {}\n", ""),
])
def test_check_refuses_hostile_yaml_at_its_place(tmp_path, text, words):
    path = tmp_path / "hostile.yaml"
    path.write_bytes(text.encode("latin-1"))
    error = tool("check", path, code=78)
    assert "hostile.yaml:" in error and words in error


def test_check_refuses_a_file_of_100_mb_soon(tmp_path):
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    assert "large.yaml" in tool("check", path, code=78)
    rules = write(tmp_path / "rules.yaml",
                  "rules: [{id: a, kind: inside, file: large.yaml}]\n")
    assert "at most" in tool("check", rules, code=78)


# ---- list and schema ----


def test_list_tells_every_kind():
    text = tool("list")
    kinds = [json.loads(line) for line in tool("list", "--json").splitlines()]
    assert len(kinds) >= 14
    for kind in kinds:
        assert kind["kind"] in text and kind["settings"] and kind["help"] and kind["example"]


def test_schema_takes_what_the_program_takes():
    yaml = pytest.importorskip("yaml", reason="SKIP: python3-yaml is not installed")
    jsonschema = pytest.importorskip("jsonschema", reason="SKIP: python3-jsonschema is missing")
    schema = json.loads(tool("schema"))
    jsonschema.Draft7Validator.check_schema(schema)
    check = jsonschema.Draft7Validator(schema)
    files = sorted((ROOT / "config" / "rules").rglob("*.yaml"))
    assert len(files) >= 10
    for path in files:
        errors = [error.message for error in check.iter_errors(yaml.safe_load(path.read_text()))]
        assert not errors, (path, errors)
    for line in tool("list", "--json").splitlines():
        example = yaml.safe_load(json.loads(line)["example"])
        assert check.is_valid({"rules": [example]}), example
    for wrong in ({"rulez": []}, {"rules": [{"id": "a"}]}, {"rules": [{"id": "a", "kind": "rang"}]},
                  {"rules": [{"id": "a", "kind": "rate", "limit": 0, "per": "1m"}]},
                  {"rules": [{"id": "a", "kind": "required", "fields": []}]},
                  {"rules": [{"id": "a", "kind": "required", "fields": "lat", "oops": 1}]},
                  {"categories": [{"match": {}}]}, {"version": 2},
                  {"classes": [{"name": "a"}]}, {"classes": [{"name": "other", "match": {}}]},
                  {"categories": [{"name": "a", "match": {"present": "lat", "any": []}}]}):
        assert not check.is_valid(wrong), wrong


# ---- classes of vehicles ----

CLASSES = """\
version: 1
rules: [{id: slow, kind: range, field: speed, max: 30}]
classes:
  - {name: bus, match: {where: [{field: vehicle, starts_with: bus-}]}}
  - {name: tram, match: {where: [{field: signals.kind, one_of: [tram]}]}}
"""


def class_counts(server):
    line = r'motorcade_handler_class_records_total\{class="(.*)"\} (\d+)'
    found = re.findall(line, metrics(server))
    return {name: int(count) for name, count in found}


def test_classes_are_known_to_the_tools(tmp_path):
    rules = write(tmp_path / "rules.yaml", CLASSES)
    assert "3 classes of vehicles" in tool("check", rules)
    packets = [{**POSITION, "obuid": "bus-1"}, {**POSITION, "kind": "tram"}, POSITION,
               {**POSITION, "obuid": "bus-2", "speed": 40}]
    report = json.loads(tool("try", rules, "--packets", "-", "--json", given=lines(packets)))
    assert report["classes"] == {"bus": 2, "tram": 1, "other": 1}
    assert "of class bus" in tool("try", rules, "--packets", "-", given=lines(packets))
    assert "a class of vehicles" in tool("list")


def test_classes_are_counted_and_reloaded(motorcade, tmp_path):
    path = write(tmp_path / "rules.yaml", CLASSES)
    server = motorcade({"handler.rules": str(path), "admin.listen": f"127.0.0.1:{free_port()}"})
    server.post([{**POSITION, "obuid": "bus-1"}, {**POSITION, "obuid": "bus-2", "speed": 40},
                 {**POSITION, "kind": "tram"}, POSITION])
    wait_for(lambda: class_counts(server) == {"bus": 2, "tram": 1, "other": 1}, "the counts")
    write(path, CLASSES.replace("bus-}", "line-}").replace("name: bus", "name: line"))
    assert reload_of(server).status == 200
    server.post([{**POSITION, "obuid": "bus-3"}, {**POSITION, "obuid": "line-3"}])
    wait_for(lambda: class_counts(server) == {"bus": 2, "line": 1, "tram": 1, "other": 2},
             "the new counts")


# ---- try ----


def test_try_counts_by_rule_over_a_file(tmp_path):
    rules = write(tmp_path / "rules.yaml", STRICT)
    packets = [{**POSITION, "speed": speed, "time": 1000000000 + i}
               for i, speed in enumerate([10, 31, 20, 30, 99])]
    path = write(tmp_path / "packets.ndjson", lines(packets))
    report = json.loads(tool("try", rules, "--packets", path, "--json"))
    assert report["packets"] == 5
    assert report["verdicts"] == {"pass": 2, "flag": 1, "dead_letter": 2, "drop": 0, "route": 0}
    by_id = {rule["id"]: rule for rule in report["rules"]}
    assert (by_id["slow"]["seen"], by_id["slow"]["failed"]) == (5, 2)
    assert (by_id["seldom"]["seen"], by_id["seldom"]["failed"]) == (3, 1)
    assert "speed 31 is above 30" in by_id["slow"]["examples"][0]
    table = tool("try", rules, "--packets", "-", "--examples", 1, given=lines(packets))
    assert "slow" in table and "speed 31" in table and "speed 99" not in table
    assert "wants either --packets or --topic" in tool("try", rules, code=2)


def test_try_reads_csv(tmp_path):
    path = write(tmp_path / "drive.csv", "vehicle,time,lat,lon,speed\n7,1000000000,1,2,10\n"
                                         "7,1000000001,1,2,40\n")
    rules = write(tmp_path / "rules.yaml", STRICT)
    report = json.loads(tool("try", rules, "--packets", path, "--json"))
    assert report["verdicts"]["pass"] == 1 and report["verdicts"]["dead_letter"] == 1


def test_try_diff_tells_what_would_end_otherwise(tmp_path):
    old = write(tmp_path / "old.yaml", STRICT)
    new = write(tmp_path / "new.yaml", STRICT.replace("max: 30", "max: 15"))
    packets = write(tmp_path / "p.ndjson", lines({**POSITION, "speed": s} for s in (10, 20, 31)))
    report = json.loads(tool("try", "--diff", old, new, "--packets", packets, "--json"))
    assert (report["packets"], report["changed"]) == (3, 1)
    assert report["changes"][0]["from"] == "position pass"
    assert report["changes"][0]["to"] == "position dead_letter by slow"
    assert '"speed": 20' in report["changes"][0]["examples"][0]
    assert "1 of 3 packets would end otherwise" in tool("try", "--diff", old, new, "--packets",
                                                        packets)
    assert "wants two rulesets" in tool("try", "--diff", old, "--packets", packets, code=2)


def test_try_reads_a_topic_while_it_is_written(motorcade, tmp_path):
    server = motorcade()
    for seq in range(1, 6):
        assert server.post({**POSITION, "seq": seq, "speed": 10 * seq}).status == 200
    server.wait_count(5)
    rules = write(tmp_path / "rules.yaml", STRICT)
    report = json.loads(tool("try", rules, "--topic", "gpscoords", "--data", server.data, "--json"))
    assert report["packets"] == 5
    assert report["verdicts"] == {"pass": 2, "flag": 1, "dead_letter": 2, "drop": 0, "route": 0}
    report = json.loads(tool("try", rules, "--topic", "gpscoords", "--data", server.data, "--json",
                             "--count", 2))
    assert report["packets"] == 2
    assert "no topic" in tool("try", rules, "--topic", "zzz", "--data", server.data, code=1)


# ---- reload ----


def reload_of(server):
    return request(server.settings["admin.listen"], "POST", "/admin/rules/reload")


def test_a_new_file_is_picked_up_by_post_and_by_sighup(motorcade, tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    write(folder / "10-base.yaml", STRICT)
    server = motorcade({"handler.rules": str(folder), "admin.listen": f"127.0.0.1:{free_port()}"})
    first = reload_of(server)
    assert first.status == 200 and first.json()["rules"] == 2
    # a category of its own, whose topic nobody reads yet
    write(folder / "20-doors.yaml", "categories: [{name: door, match: {type: door}}]\n")
    second = reload_of(server)
    assert second.status == 200 and second.json()["categories"] == 3
    assert second.json()["ruleset"] != first.json()["ruleset"]
    door = {"id": "1", "timestamp": "2026-05-20T12:00:00Z", "source": "car-1", "type": "door",
            "payload": {"open": True, "position": {"lat": 5, "lon": 6}}}
    assert server.post(door).status == 200
    server.wait_count(1)
    packet = json.loads(server.query("--format", "json").stdout.splitlines()[0])
    assert packet["category"] == "door"
    # a mistake: refused with its place, the rules before stay
    write(folder / "30-bad.yaml", "rules: [{id: x, kind: rang}]\n")
    refused = reload_of(server)
    assert refused.status == 422
    assert "30-bad.yaml:1:23:" in refused.json()["detail"]
    assert 'did you mean "range"' in refused.json()["detail"]
    server.wait_event("reload refused, what was in force stays")
    server.hang_up("reload refused, what was in force stays")
    (folder / "30-bad.yaml").unlink()
    write(folder / "40-fast.yaml",
          "rules: [{id: fast, kind: range, field: speed, max: 20, category: position}]\n")
    server.hang_up()
    assert server.post({**POSITION, "seq": 1, "speed": 25}).status == 200
    wait_for(lambda: 'handler_rule_failures_total{rule="fast"} 1' in metrics(server),
             "the new rule to fail a packet")


def test_what_can_not_be_read_any_more_is_refused(motorcade, tmp_path):
    """A file that vanishes between the listing and the reading looks like this."""
    folder = tmp_path / "rules"
    folder.mkdir()
    write(folder / "10-base.yaml", STRICT)
    server = motorcade({"handler.rules": str(folder), "admin.listen": f"127.0.0.1:{free_port()}"})
    before = reload_of(server).json()["ruleset"]
    (folder / "20-gone.yaml").symlink_to(folder / "nowhere.yaml")
    refused = reload_of(server)
    assert refused.status == 422 and "20-gone.yaml" in refused.json()["detail"]
    (folder / "20-gone.yaml").unlink()
    write(folder / "20-fence.yaml", "rules: [{id: f, kind: inside, file: gone.geojson}]\n")
    refused = reload_of(server)
    assert refused.status == 422 and "20-fence.yaml:1:" in refused.json()["detail"]
    assert "gone.geojson" in refused.json()["detail"]
    (folder / "20-fence.yaml").unlink()
    assert reload_of(server).json()["ruleset"] == before
    assert server.post({**POSITION, "speed": 31}).status == 200
    wait_for(lambda: 'handler_rule_failures_total{rule="slow"} 1' in metrics(server),
             "the rules before to be in force")


def metrics(server):
    return request(server.settings["admin.listen"], "GET", "/metrics").body.decode()


def test_metrics_tell_the_ruleset(motorcade, tmp_path):
    rules = write(tmp_path / "rules.yaml", STRICT)
    server = motorcade({"handler.rules": str(rules), "admin.listen": f"127.0.0.1:{free_port()}"})
    first = reload_of(server).json()["ruleset"]
    assert f'motorcade_ruleset_info{{hash="{first}"}} 1' in metrics(server)
    write(rules, STRICT.replace("30", "31"))
    second = reload_of(server).json()["ruleset"]
    write(rules, "rules: [")
    assert reload_of(server).status == 422
    text = metrics(server)
    assert f'motorcade_ruleset_info{{hash="{first}"}} 0' in text
    assert f'motorcade_ruleset_info{{hash="{second}"}} 1' in text
    assert 'motorcade_ruleset_loads_total{outcome="refused"} 1' in text
    assert "motorcade_ruleset_load_seconds_count" in text
    assert "motorcade_ruleset_loaded_timestamp_seconds" in text


def test_the_reload_page_is_only_on_an_address_for_operators(motorcade):
    server = motorcade()
    assert request(server.gateway, "POST", "/admin/rules/reload").status == 404


def test_print_config_tells_the_ruleset(tmp_path):
    rules = write(tmp_path / "rules.yaml", STRICT)
    done = subprocess.run([str(BINARY), "print-config", "--set", f"handler.rules={rules}"],
                          capture_output=True, text=True, timeout=60, check=True)
    hash_of = tool("check", rules).split("hash ")[1][:16]
    assert f"# ruleset: {hash_of}, 2 categories, 2 rules, loaded in" in done.stdout


# ---- what rules remember survives kill -9 ----

MEMORY = """\
version: 1
rules:
  - {id: flood, kind: rate, limit: 30, per: 1h}
  - {id: repeat, kind: duplicate, fields: [lat, speed], within: 1h, last: 3, on_fail: flag}
  - {id: still, kind: changed_only, fields: soc, on_fail: drop}
categories: [{name: position, match: {dialect: obu}}]
"""


def outputs(server, topic):
    """Identity to (flags or the reason): a crash may have written some of them twice."""
    done = subprocess.run([str(BINARY), "tail", topic, "--data", str(server.data), "--format",
                           "json"], capture_output=True, text=True, timeout=60)
    found = {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        value = json.loads(record["value"])
        name = value.get("identity") or (value["obuid"], value["seq"])
        result = record.get("detail") or tuple(value.get("flags", []))
        assert found.setdefault(name, result) == result, "decided otherwise the second time"
    return found


def test_verdicts_are_the_same_after_kill_9(motorcade, tmp_path):
    rules = write(tmp_path / "rules.yaml", MEMORY)
    server = motorcade({"handler.rules": str(rules), "handler.batch_records": 7})
    seq = 0
    for round_number in range(4):
        for _ in range(12):
            packets = []
            for vehicle in range(5):
                seq += 1
                packets.append({"obuid": vehicle, "seq": seq, "lat": seq * seq // 5 % 4, "lon": 2,
                                "speed": 5, "soc": seq // 9 % 3})
            assert server.post(packets).status == 200
        if round_number < 3:
            server.kill()
            server.start()
    server.wait_drained()
    server.stop()
    report = json.loads(tool("try", rules, "--topic", "gpscoords", "--data", server.data, "--json"))
    assert report["packets"] == seq == 240
    passed = outputs(server, "gpscoords.position")
    dead = outputs(server, "gpscoords.dead-letters")
    verdicts = report["verdicts"]
    assert len(dead) == verdicts["dead_letter"] > 0
    assert len(passed) == verdicts["pass"] + verdicts["flag"] > 0
    assert sum("repeat" in flags for flags in passed.values()) == verdicts["flag"] > 0
    assert verdicts["drop"] > 0
