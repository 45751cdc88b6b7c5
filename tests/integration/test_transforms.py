# SPDX-License-Identifier: Apache-2.0
"""Transforms, scripts and schemas over the whole way; a process that is killed makes
the same rows as one that is not."""

import json

RULES = """
version: 1
transform:
  - {op: rename, from: v_kmh, to: speed}
  - {op: units, fields: speed, from: km/h, to: m/s}
  - {op: distance, into: step_m, max_gap: 1h}
categories:
  - name: position
    match: {present: [lat, lon]}
    rules:
      - id: fall
        kind: lua
        on_fail: flag
        remember: soc
        lookback: 1h
        script: |
          function check(packet, vehicle)
            local last = vehicle.soc
            vehicle.soc = packet.soc
            return not last or last - packet.soc < 5
          end
"""
SHAPE = """
version: 1
categories:
  - name: position
    transform:
      - {op: heading, max_gap: 1h}
      - {op: trip, gap: 5m, longest: 1h}
      - {op: round, fields: [step_m, speed, heading], digits: 1}
    schema: position.json
"""
SCHEMA = {"properties": {"speed": {"maximum": 60},
                         "signals": {"properties": {"soc": {"type": "number"}}}}}


def packets():
    """Three cars; each drives, falls by 6 % now and then, and rests for ten minutes once."""
    for step in range(30):
        for car in range(3):
            yield {"obuid": f"car-{car}", "lat": 50 + step * 0.001, "lon": 8 + car,
                   "time": 1779278400 + step * 10 + (600 if step >= 15 else 0),
                   "v_kmh": 400 if step == 20 else 36 + car,
                   "soc": 90 - step - (step // 7) * 5}


def settings(folder):
    (folder / "rules.yaml").write_text(RULES)
    (folder / "shape.yaml").write_text(SHAPE)
    (folder / "position.json").write_text(json.dumps(SCHEMA))
    return {"handler.rules": folder / "rules.yaml", "store.transform": folder / "shape.yaml"}


def rows(server, count):
    server.wait_count(count)
    found = [json.loads(line) for line in server.query("--format", "json").stdout.splitlines()]
    for row in found:
        del row["received"]
    return sorted(found, key=lambda row: row["identity"])


def test_a_killed_process_makes_the_same_rows(motorcade, tmp_path):
    config = settings(tmp_path)
    calm = motorcade(config, data=tmp_path / "calm")
    for packet in packets():
        assert calm.post(packet).json()["accepted"] == 1
    killed = motorcade(config, data=tmp_path / "killed")
    for number, packet in enumerate(packets()):
        assert killed.post(packet).json()["accepted"] == 1
        if number % 13 == 12:
            killed.kill()
            killed.start()
    kept = 90 - 3  # step 20 is too fast for the schema
    wanted = rows(calm, kept)
    assert rows(killed, kept) == wanted
    first = next(row for row in wanted if row["vehicle"] == "car-0")
    assert "step_m" not in first["signals"] and first["speed"] == 10
    last = [row for row in wanted if row["vehicle"] == "car-0"][-1]
    assert last["signals"]["step_m"] == 111.2 and last["heading"] == 0
    assert last["signals"]["trip"] == "2026-05-20T12:12:30.000Z"
    assert sum("fall" in row.get("flags", []) for row in wanted) == 3 * 4
    assert calm.metric("motorcade_store_dead_letters_total", reason="json_schema") == 3


def test_a_script_that_breaks_is_counted_and_the_process_goes_on(motorcade, tmp_path):
    (tmp_path / "rules.yaml").write_text("""
rules:
  - {id: loop, kind: lua, on_error: pass, script: "function check(p) while p.lat do end return true end"}
""")
    server = motorcade({"handler.rules": tmp_path / "rules.yaml"})
    for number in range(5):
        server.post({"obuid": 1, "lat": 1, "lon": 2, "seq": number})
    server.wait_count(5)
    assert server.metric("motorcade_handler_rule_breaks_total", rule="loop") == 5
    assert server.wait_event("a rule's script broke")["rule"] == "loop"
