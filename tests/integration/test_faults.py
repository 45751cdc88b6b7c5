# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments: what was acked is in the store, once, and in order.

The cars are `motorcade simulate` processes that log each ack to an fsynced file
of their own; checker.py joins that log with the store. Counts are short here;
MOTORCADE_SOAK=1 (make soak) runs them in full."""

import os
import random
import signal
import subprocess
import time

import pytest

import checker
from conftest import BINARY, PATIENCE_S, wait_for

SOAK = os.environ.get("MOTORCADE_SOAK") == "1"
CYCLES = 100 if SOAK else 5


def start_fleet(server, ack_log, seed, vehicles=200, rate=10):
    return subprocess.Popen(
        [BINARY, "simulate", "--url", f"ws://{server.gateway}/ws", "--vehicles", str(vehicles),
         "--rate", str(rate), "--connections", "20", "--seed", str(seed),
         "--ack-log", str(ack_log), "--quiet"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def acked_lines(ack_log):
    return ack_log.stat().st_size if ack_log.exists() else 0


def test_kill_9_loses_and_doubles_nothing(motorcade, tmp_path):
    server = motorcade()
    ack_log = tmp_path / "acks.log"
    fleet = start_fleet(server, ack_log, seed=9)
    chance = random.Random(4711)
    try:
        for _ in range(CYCLES):
            before = acked_lines(ack_log)
            wait_for(lambda: acked_lines(ack_log) > before, "acks between two kills")
            # Not a wait for anything: the moment of the kill is what is random.
            time.sleep(chance.uniform(0, 0.5))
            server.kill()
            server.start()
    finally:
        fleet.send_signal(signal.SIGINT)
        output, _ = fleet.communicate(timeout=2 * PATIENCE_S)
    assert fleet.returncode == 0, output
    acks = checker.read_acks(ack_log)
    assert len(acks) > CYCLES * 10
    server.wait_drained()
    checker.check(acks, checker.read_store(server))


def packet(vehicle, seq, epoch=1):
    return {"obuid": vehicle, "epoch": epoch, "seq": seq, "lat": 1, "lon": 2}


@pytest.fixture
def stored(motorcade):
    """A store with packets 1..9 of two vehicles, and the acks of the same."""
    server = motorcade()
    assert server.post([packet(v, s) for v in ("a", "b") for s in range(1, 10)]).status == 200
    server.wait_count(18)
    return [(v, s) for v in ("a", "b") for s in range(1, 10)], checker.read_store(server)


def test_checker_passes_what_is_right(stored):
    checker.check(*stored)


def test_checker_catches_a_lost_packet(stored):
    acks, rows = stored
    with pytest.raises(AssertionError, match="lost"):
        checker.check(acks, [row for row in rows if row[:2] != ("a", 5)])


def test_checker_catches_a_doubled_packet(stored):
    acks, rows = stored
    with pytest.raises(AssertionError, match="doubled"):
        checker.check(acks, rows + [rows[3]])


def test_checker_catches_wrong_order(stored):
    acks, rows = stored
    rows[2], rows[3] = rows[3], rows[2]
    with pytest.raises(AssertionError, match="order"):
        checker.check(acks, rows)
