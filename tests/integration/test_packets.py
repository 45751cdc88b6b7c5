# SPDX-License-Identifier: Apache-2.0
"""POST /packets and the WebSocket, by hand and with two foreign clients."""

import asyncio
import gzip
import json
import pathlib
import shutil
import socket
import subprocess

import pytest

from car import Car
from conftest import wait_for

HERE = pathlib.Path(__file__).parent
CAB = {"obuid": 8674665223082153551, "lat": 45.23, "lon": 67.89}


def obu(vehicle, seq=None, **more):
    packet = {"obuid": vehicle, "lat": 37.7, "lon": -122.4, **more}
    return packet if seq is None else {**packet, "seq": seq}


def test_post_object_array_and_lines(motorcade):
    server = motorcade()
    assert server.post(CAB).json() == {"accepted": 1, "duplicate": 0, "rejected": []}
    assert server.post([obu(1, 1), obu(2, 1)]).json()["accepted"] == 2
    lines = "\n".join(json.dumps(obu(3, seq)) for seq in range(50)) + "\n"
    assert server.post(lines).json()["accepted"] == 50
    server.wait_count(53)
    row = json.loads(server.query("--vehicle", 8674665223082153551, "--format", "json").stdout)
    assert (row["lat"], row["lon"]) == (45.23, 67.89)


def test_post_gzip(motorcade):
    server = motorcade()
    body = gzip.compress(json.dumps([obu(1, seq) for seq in range(1000)]).encode())
    reply = server.post(body, **{"Content-Encoding": "gzip"})
    assert (reply.status, reply.json()["accepted"]) == (200, 1000)
    assert server.post(b"no gzip", **{"Content-Encoding": "gzip"}).status == 400
    assert server.post(b"{}", **{"Content-Encoding": "br"}).status == 415
    bomb = gzip.compress(b" " * 50_000_000)
    assert server.post(bomb, **{"Content-Encoding": "gzip"}).status == 413


def test_resend_is_told_and_stored_once(motorcade):
    server = motorcade()
    packets = [obu("cab", seq) for seq in range(10)]
    assert server.post(packets).json()["accepted"] == 10
    again = server.post(packets).json()
    assert again["accepted"] + again["duplicate"] == 10
    server.post([obu("cab", 99)])
    server.wait_count(11)


def test_mixed_good_and_bad(motorcade):
    server = motorcade()
    body = ('{"obuid":1,"lat":1,"lon":2,"seq":1}\n{"obuid":1,"lat":\n{"lat":1,"lon":2}\n'
            '{"obuid":1,"lat":"x","lon":2}\n{"obuid":1,"obuid":2,"lat":1,"lon":2}\n[]\n')
    reply = server.post(body)
    assert reply.status == 200
    answer = reply.json()
    assert answer["accepted"] == 1
    reasons = {entry["index"]: entry["reason"] for entry in answer["rejected"]}
    assert (reasons[1], reasons[3], reasons[4]) == ("not_json", "wrong_type", "duplicate_key")
    assert all(entry["detail"] for entry in answer["rejected"])


@pytest.mark.parametrize("body, reason", [
    (b"", "empty"),
    (b"   \n", "empty"),
    (b"[]", "empty"),
    (b"hello", "not_json"),
    (b'{"obuid":1,"lat":NaN,"lon":2}', "not_json"),
    (b'{"obuid":1,"lat":1,"lon":2', "not_json"),
    (b'{"obuid":"\xff","lat":1,"lon":2}', "bad_utf8"),
    (b"[" * 10000 + b"]" * 10000, "too_deep"),
    (b'{"obuid":1,"a":' + b"[" * 100 + b"]" * 100 + b"}", "too_deep"),
    (b"7", "not_object"),
    (b'{"lat":1,"lon":2}', None),
    (b'{"obuid":1.5,"lat":1,"lon":2}', "bad_vehicle"),
    (b'{"obuid":"","lat":1,"lon":2}', "bad_vehicle"),
    (b'{"obuid":1,"lat":1,"lat":2,"lon":2}', "duplicate_key"),
    (b'{"obuid":1,"lat":1,"lon":2,"time":"yesterday"}', "bad_time"),
])
def test_undecodable_is_told(motorcade, body, reason):
    server = motorcade()
    reply = server.post(body)
    assert reply.status == 400
    rejected = reply.json()["rejected"]
    assert len(rejected) == 1
    assert reason in (None, rejected[0]["reason"])


def test_invalid_values_become_dead_letters(motorcade):
    server = motorcade()
    assert server.post([obu(1, 1, lat=91), obu(1, 2, lat=-90.5), obu(1, 3, lon=180.01),
                        obu(1, 4)]).json()["accepted"] == 4
    server.wait_count(1)

    def letters():
        out = server.tool("tail", "gpscoords.dead-letters", "--data", server.data,
                          "--from", "earliest").stdout
        return out if out.count("range") >= 3 else None

    text = wait_for(letters, "three dead letters")
    assert "91" in text


def test_http_errors(motorcade):
    server = motorcade()
    assert server.get("/nowhere").status == 404
    reply = server.get("/packets")
    assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    assert server.get("/ws").status == 426
    assert server.post(CAB, **{"Content-Type": "image/png"}).status == 415
    assert server.post(b"x" * 2_000_000).status == 413
    assert server.get("/healthz").status == 200
    assert server.get("/readyz").status == 200
    assert server.get("/metrics").status == 200
    assert server.get("/echo").status == 404


def raw(server, data, until):
    host, port = server.gateway.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as stream:
        stream.sendall(data)
        received = b""
        while not until(received):
            piece = stream.recv(65536)
            if not piece:
                break
            received += piece
    return received


def test_pipelining(motorcade):
    server = motorcade()
    one = b'{"obuid":1,"lat":1,"lon":2}'
    head = b"POST /packets HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(one)
    received = raw(server, (head + one) * 20, lambda got: got.count(b'"accepted":1') == 20)
    assert received.count(b"HTTP/1.1 200") == 20


def test_expect_continue_and_chunks(motorcade):
    server = motorcade()
    host, port = server.gateway.rsplit(":", 1)
    one = b'{"obuid":1,"lat":1,"lon":2}'
    with socket.create_connection((host, int(port)), timeout=30) as stream:
        stream.sendall(b"POST /packets HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                       b"Expect: 100-continue\r\n\r\n")
        assert stream.recv(65536).startswith(b"HTTP/1.1 100 ")
        stream.sendall(b"5\r\n" + one[:5] + b"\r\n%x\r\n" % (len(one) - 5) + one[5:] +
                       b"\r\n0\r\n\r\n")
        assert b'"accepted":1' in stream.recv(65536)


def test_websocket_acks(motorcade):
    server = motorcade()
    with Car(f"ws://{server.gateway}/ws") as car:
        assert car.subprotocol == "motorcade.v1"
        for seq in range(100):
            car.send(obu(5, seq))
        assert car.acks_until(100) == {}
        car.send(json.dumps([obu(6, seq) for seq in range(10)]).encode())
        assert car.acks_until(110) == {}
        car.send("nonsense")
        car.send(json.dumps(obu(7, 1)) + "\n{}\n" + json.dumps(obu(7, 2)))
        assert car.acks_until(114) == {111: "not_json", 113: "unknown_dialect"}
    server.wait_count(112)


def test_websocket_without_subprotocol_hears_nothing(motorcade):
    server = motorcade()
    with Car(f"ws://{server.gateway}/ws", subprotocols=()) as car:
        car.send(obu(1, 1))
        car.send("garbage")
        server.wait_count(1)
        with pytest.raises(asyncio.TimeoutError):
            car.recv(timeout_s=0.2)
    wait_for(lambda: "garbage" in server.tool("tail", "gpscoords.dead-letters", "--data",
                                              server.data, "--from", "earliest").stdout,
             "the garbage as a dead letter")


def test_node_client(motorcade):
    node = shutil.which("node") or shutil.which("nodejs")
    if node is None:
        pytest.skip("SKIP: no node")
    server = motorcade()
    done = subprocess.run([node, str(HERE / "car.js"), f"ws://{server.gateway}/ws", "500"],
                          capture_output=True, text=True, timeout=120, check=False,
                          env={"NODE_PATH": "/usr/share/nodejs:/usr/lib/nodejs"})
    if "Cannot find module 'ws'" in done.stderr:
        pytest.skip("SKIP: no node module ws")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "acked 500"
    server.wait_count(500)


def test_echo(motorcade):
    server = motorcade({"gateway.echo": "true"})
    with Car(f"ws://{server.gateway}/echo", subprotocols=()) as peer:
        for message in ("", "text", "ü" * 1000, b"", b"\x00\xff" * 70000):
            peer.send(message)
            assert peer.recv() == message
        peer.send(["frag", "men", "ted"])
        assert peer.recv() == "fragmented"
        peer.ping()
