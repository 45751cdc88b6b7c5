# SPDX-License-Identifier: Apache-2.0
"""Joins what cars saw acked with what the store holds: lost, doubled, out of order."""

import collections
import json


def read_acks(path):
    """The ack log of simulate: a line `vehicle,seq,time` a packet. The last line may be torn when
    its writer was killed."""
    acks = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            fields = line.split(",")
            if line.endswith("\n") and len(fields) == 3:
                acks.append((fields[0], int(fields[1])))
    return acks


def read_store(server):
    """Every row as (vehicle, seq, identity), in the order in which the store finds them."""
    rows = []
    for line in server.query("--format", "json").stdout.splitlines():
        row = json.loads(line)
        seq = int(row["identity"][24:32], 16)
        rows.append((row["vehicle"], seq, row["identity"]))
    return rows


def check(acks, rows):
    stored = collections.Counter(row[:2] for row in rows)
    lost = [ack for ack in acks if ack not in stored]
    assert not lost, f"lost: {len(lost)} of {len(acks)} acked packets, first {lost[:5]}"
    doubled = [key for key, count in stored.items() if count > 1]
    assert not doubled, f"doubled: {len(doubled)} packets, first {doubled[:5]}"
    newest = {}
    for vehicle, seq, _ in rows:
        previous = newest.get(vehicle, -1)
        assert seq > previous, f"out of order: {vehicle} {seq} after {previous}"
        newest[vehicle] = seq
