#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the packets of a category topic: consumer.py BROKERS TOPIC [COUNT]

Needs python3-confluent-kafka. The layout of mc: docs/reference/packet.md."""
import json
import struct
import sys

from confluent_kafka import Consumer

DIALECTS = {0: "unknown", 1: "obu", 2: "envelope"}
MC = struct.Struct(">BBHq24sQ")  # version, dialect, flags, received ns, identity, hash of the rules


def decode_mc(header):
    version, dialect, flags, received_ns, identity, rules = MC.unpack_from(header)
    if version != 1:
        raise ValueError(f"mc version {version}: newer than this program")
    return {"dialect": DIALECTS.get(dialect, dialect), "has_event_time": bool(flags & 1),
            "received_ns": received_ns, "identity": identity.hex(), "rules": f"{rules:016x}"}


def main(brokers, topic, count="inf"):
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "example-python",
                         "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    seen = 0
    while seen < float(count):
        record = consumer.poll(1.0)
        if record is None:
            continue
        if record.error():
            sys.exit(record.error().str())
        packet = json.loads(record.value())
        mc = decode_mc(dict(record.headers())["mc"])
        print(packet["vehicle"], mc["identity"], packet.get("lat"), packet.get("lon"),
              mc["received_ns"], mc["dialect"], mc["rules"], flush=True)
        seen += 1
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
