# SPDX-License-Identifier: Apache-2.0
"""Joins what cars saw acked with what the store holds: lost, doubled, out of order."""

import collections
import json


def read_acks(path):
    """The ack log of simulate or replay: a line `vehicle epoch seq` a packet. The last line may
    be torn when its writer was killed."""
    acks = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            fields = line.split()
            if line.endswith("\n") and len(fields) >= 3:
                acks.append((fields[0], int(fields[1]), int(fields[2])))
    return acks


def read_store(server):
    """Every row as (vehicle, epoch, seq, identity), in the order in which the store finds them."""
    rows = []
    for line in server.query("--format", "json", "--limit", "0").stdout.splitlines():
        row = json.loads(line)
        order = int(row["identity"][16:32], 16)
        rows.append((row["vehicle"], order >> 32, order & 0xFFFFFFFF, row["identity"]))
    return rows


def check(acks, rows):
    stored = collections.Counter(row[:3] for row in rows)
    lost = [ack for ack in acks if ack not in stored]
    assert not lost, f"lost: {len(lost)} of {len(acks)} acked packets, first {lost[:5]}"
    doubled = [key for key, count in stored.items() if count > 1]
    assert not doubled, f"doubled: {len(doubled)} packets, first {doubled[:5]}"
    newest = {}
    for vehicle, epoch, seq, _ in rows:
        previous = newest.get(vehicle, (-1, -1))
        assert (epoch, seq) > previous, f"out of order: {vehicle} {(epoch, seq)} after {previous}"
        newest[vehicle] = (epoch, seq)
