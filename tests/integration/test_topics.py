# SPDX-License-Identifier: Apache-2.0
"""`motorcade topics` over the journal, beside the process that writes it."""

import json

import pytest


def lines(process, *words):
    text = process.tool("topics", *words, "--json", "--data", process.data).stdout
    return [json.loads(line) for line in text.splitlines()]


def test_describe_and_lag_of_a_running_journal(motorcade):
    server = motorcade()
    for i in range(10):
        assert server.post({"obuid": i, "lat": 1, "lon": 2}).status == 200
    server.wait_count(10)
    found = {line["topic"]: line for line in lines(server, "describe")}
    assert found["gpscoords"]["records"] == 10 and found["gpscoords"]["partitions"] == 4
    assert found["gpscoords.position"]["records"] == 10
    server.wait_drained()
    rows = lines(server, "lag")
    assert {row["group"] for row in rows} == {"handler", "store"}
    assert sum(row["lag"] for row in rows) == 0
    assert sum(row["end"] for row in rows if row["topic"] == "gpscoords") == 10
    only = lines(server, "lag", "--group", "store")
    assert {row["group"] for row in only} == {"store"}
    assert "group handler, topic gpscoords: lag 0" in server.tool(
        "topics", "lag", "--data", server.data).stdout


@pytest.mark.parametrize("action", ["create", "verify", "grow"])
def test_what_a_journal_has_no_use_for_says_why(motorcade, action):
    server = motorcade(role="gateway")
    done = server.tool("topics", action, "--data", server.data, check=False)
    assert done.returncode == 78
    assert "broker.kind is not kafka" in done.stderr
