# SPDX-License-Identifier: Apache-2.0
"""A server of MongoDB's protocol that says what a healthy one never says, as told.

It keeps documents in memory, answers duplicates per item, and records every
command. `plan` holds what happens to the next inserts, one entry each:

  "ok"           nothing unusual
  "not_primary"  refused as a whole, nothing written
  "concern"      written, but the write concern was not met in time
  "partial"      every other document fails for the moment, the others are written
  "disk_full"    each document is refused for want of disk
  "disk_closed"  the command is, as a whole
  "cut_before"   the connection is cut before anything is written
  "cut_after"    written, and the connection is cut in the middle of the answer
  "slow"         written, and the answer comes after the client has given up
  "lost"         said to be written, but forgotten
  "deposed"      by a primary that the others have left meanwhile: the concern was not
                 met, and what was written goes with it (ScriptedReplicaSet)

`poison` maps a vehicle to the code that its documents are always refused with;
`blame` is a vehicle whose document makes the server refuse the whole command.
OP_MSG and OP_QUERY: MongoDB's wire protocol, specification of 2020."""

import contextlib
import socket
import struct
import threading
import time

import bson

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
DUPLICATE_KEY, NOT_PRIMARY, OUT_OF_DISK, WRITE_CONFLICT = 11000, 10107, 14031, 112
WRITE_CONCERN_FAILED, AUTHENTICATION_FAILED, OPTIONS_CONFLICT = 64, 18, 85
TOO_LARGE = 10334


def failure(code, text, **more):
    return {"ok": 0.0, "code": code, "errmsg": text, "codeName": text.replace(" ", ""), **more}


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


class Cut(Exception):
    """Close the connection after these bytes."""


class ScriptedMongo:
    def __init__(self, hello=None):
        self.hello = hello or {}
        self.collections, self.indexes = {}, {}
        self.commands = []  # (name, command) in order
        self.plan, self.poison, self.blame = [], {}, None
        self.refuses_auth, self.ttl_conflict = False, False
        self.status = None  # what is said instead of what serverStatus usually says
        self.storage = None  # likewise of dbStats and $collStats
        self.index_codes = {}  # field -> what making its index is refused with
        self.done = []  # what became of the plan
        self.connections = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.uri = f"mongodb://{self.address}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR) # or accept() would take one more
        self.listener.close()

    def die(self):
        self.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def documents(self, name="position"):
        with self.lock:
            return dict(self.collections.get(name, {}))

    def inserts(self):
        with self.lock:
            return [command for name, command in self.commands if name == "insert"]

    def recorded(self, wanted):
        with self.lock:
            return [command for name, command in self.commands if name == wanted]

    # ---- bytes ----

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, ConnectionError), connection:
            while True:
                length, number, _, kind = struct.unpack("<iiii", read_exactly(connection, 16))
                body = read_exactly(connection, length - 16)
                command = self._parse(kind, body)
                try:
                    answer = self._answer(command)
                except Cut as cut:
                    connection.sendall(cut.args[0])
                    return
                connection.sendall(self._pack(kind, number, answer))

    @staticmethod
    def _parse(kind, body):
        if kind == OP_QUERY:
            start = body.index(b"\0", 4) + 1 + 8
            return bson.decode(body[start:])
        place, command = 4, {}
        while place < len(body):
            section, place = body[place], place + 1
            size = struct.unpack_from("<i", body, place)[0]
            if section == 0:
                command = bson.decode(body[place:place + size])
            else:
                end = place + size
                name_end = body.index(b"\0", place + 4)
                name, at, items = body[place + 4:name_end].decode(), name_end + 1, []
                while at < end:
                    length = struct.unpack_from("<i", body, at)[0]
                    items.append(bson.decode(body[at:at + length]))
                    at += length
                command[name] = items
            place += size
        return command

    @staticmethod
    def _pack(kind, number, answer):
        data = bson.encode(answer)
        if kind == OP_QUERY:
            return struct.pack("<iiiiiqii", 36 + len(data), 1, number, OP_REPLY, 8, 0, 0, 1) + data
        return struct.pack("<iiiiib", 21 + len(data), 1, number, OP_MSG, 0, 0) + data

    # ---- commands ----

    def _answer(self, command):
        name = next(iter(command))
        with self.lock:
            self.commands.append((name, command))
        handler = getattr(self, "_on_" + name.lower(), None)
        return handler(command) if handler else failure(59, "no such command")

    def _on_ismaster(self, _command):
        return {"ismaster": True, "isWritablePrimary": True, "helloOk": True, "maxWireVersion": 17,
                "minWireVersion": 0, "maxBsonObjectSize": 16 << 20, "maxWriteBatchSize": 100000,
                "maxMessageSizeBytes": 48000000, "ok": 1.0, **self.hello}

    _on_hello = _on_ismaster

    def _on_ping(self, _command):
        return {"ok": 1.0}

    _on_endsessions = _on_ping

    def _on_saslstart(self, _command):
        return failure(AUTHENTICATION_FAILED, "Authentication failed.")

    def _on_listcollections(self, _command):
        batch = [{"name": name, "type": "collection", "options": {}} for name in self.collections]
        return {"cursor": {"id": 0, "ns": "m.$cmd.listCollections", "firstBatch": batch}, "ok": 1.0}

    def _on_listindexes(self, command):
        batch = self.indexes.get(command["listIndexes"], [])
        return {"cursor": {"id": 0, "ns": "m." + command["listIndexes"], "firstBatch": batch},
                "ok": 1.0}

    def _on_createindexes(self, command):
        index = command["indexes"][0]
        code = self.index_codes.get(next(iter(index["key"])))
        if code:
            return failure(code, "that index is not made here")
        if self.ttl_conflict and "expireAfterSeconds" in index:
            return failure(OPTIONS_CONFLICT, "an index of that name has other options")
        with self.lock:
            self.collections.setdefault(command["createIndexes"], {})
            self.indexes.setdefault(command["createIndexes"], []).append(index)
        return {"ok": 1.0}

    # ---- its own state, as MongoDB 7 gives it ----

    def _on_serverstatus(self, _command):
        if self.status is not None:
            return self.status
        with self.lock:
            asked = sum(name.lower() == "serverstatus" for name, _ in self.commands)
            documents = sum(map(len, self.collections.values()))
        work = bson.Int64(1000 * asked)
        latency = {kind: {"latency": bson.Int64(2500000 * asked), "ops": work}
                   for kind in ("reads", "writes", "commands")}
        return {"host": "script:27017", "version": "7.0.14", "process": "mongod", "ok": 1.0,
                "asserts": {"regular": 0, "warning": 0, "msg": 0, "user": 3 * asked},
                "connections": {"current": 21, "available": 51179},
                "mem": {"bits": 64, "resident": 512},
                "opLatencies": latency,
                "opcounters": {"insert": bson.Int64(documents), "query": work, "update": 0,
                               "delete": 0, "getmore": 0, "command": work},
                "repl": {"setName": "rs0", "isWritablePrimary": True, "secondary": False,
                         "hosts": ["a:1", "b:1", "c:1"]},
                "wiredTiger": {"cache": {"bytes currently in the cache": 1 << 20,
                                         "maximum bytes configured": 3e9,
                                         "tracked dirty bytes in the cache": 4096}}}

    def _on_dbstats(self, _command):
        if self.storage is not None:
            return self.storage
        with self.lock:
            documents = sum(map(len, self.collections.values()))
        return {"db": "motorcade", "objects": bson.Int64(documents), "dataSize": 300.0 * documents,
                "storageSize": 61440.0, "indexSize": 4096.0, "fsUsedSize": 8e10,
                "fsTotalSize": 1e11, "ok": 1.0}

    def _on_aggregate(self, command):
        if "$collStats" not in command["pipeline"][0]:
            return failure(40324, "unrecognized pipeline stage")
        if self.storage is not None:
            return self.storage
        count = len(self.documents(command["aggregate"]))
        stats = {"size": 300 * count, "count": count, "storageSize": 40960, "totalIndexSize": 4096}
        return {"cursor": {"id": 0, "ns": "m." + command["aggregate"],
                           "firstBatch": [{"storageStats": stats}]}, "ok": 1.0}

    def _on_collmod(self, _command):
        return {"ok": 1.0}

    def _on_find(self, command):
        wanted = command.get("filter", {}).get("_id", {})
        rows = self.documents(command["find"])
        if "$in" in wanted:
            rows = {key: row for key, row in rows.items() if key in wanted["$in"]}
        batch = [bson.SON(row) for row in rows.values()]
        return {"cursor": {"id": 0, "ns": "m." + command["find"], "firstBatch": batch}, "ok": 1.0}

    def _on_insert(self, command):
        if self.refuses_auth:
            return failure(13, "not authorized on m to execute command")
        with self.lock:
            act = self.plan.pop(0) if self.plan else "ok"
            self.done.append(act)
        vehicles = [document["vehicle"] for document in command["documents"]]
        if self.blame in vehicles:
            return failure(TOO_LARGE, "object to insert too large")
        if act == "not_primary":
            return failure(NOT_PRIMARY, "not primary")
        if act == "disk_closed":
            return failure(OUT_OF_DISK, "available disk space is less than required")
        if act == "cut_before":
            raise Cut(b"")
        if act == "disk_full":
            return self._refuse(command, OUT_OF_DISK, "no space left on device")
        answer = self._write(command, every_other=act == "partial",
                             forgets=act in ("lost", "deposed"))
        if act in ("concern", "deposed"):
            answer["writeConcernError"] = {"code": WRITE_CONCERN_FAILED,
                                           "errmsg": "waiting for replication timed out"}
        if act == "cut_after":
            raise Cut(self._pack(OP_MSG, 1, answer)[:30])
        if act == "slow":
            time.sleep(2.5)
            raise Cut(b"")
        return answer

    @staticmethod
    def _refuse(command, code, text):
        errors = [{"index": i, "code": code, "errmsg": text}
                  for i in range(len(command["documents"]))]
        return {"n": 0, "writeErrors": errors, "ok": 1.0}

    def _error_of(self, rows, document, fails):
        if document["_id"] in rows:
            return {"code": DUPLICATE_KEY, "errmsg": "E11000 duplicate key error collection: m.c "
                    "index: _id_ dup key: {}", "keyPattern": {"_id": 1}}
        if document["vehicle"] in self.poison:
            return {"code": self.poison[document["vehicle"]], "errmsg": "refused as told"}
        return {"code": WRITE_CONFLICT, "errmsg": "write conflict"} if fails else None

    def _write(self, command, every_other, forgets):
        errors, count = [], 0
        with self.lock:
            rows = self.collections.setdefault(command["insert"], {})
            for i, document in enumerate(command["documents"]):
                error = self._error_of(rows, document, every_other and i % 2 == 1)
                if error:
                    errors.append({"index": i, **error})
                    if command.get("ordered", True):
                        break
                    continue
                count += 1
                if not forgets:
                    rows[document["_id"]] = document
        answer = {"n": count, "ok": 1.0}
        if errors:
            answer["writeErrors"] = errors
        return answer


class ScriptedMember(ScriptedMongo):
    """One of a ScriptedReplicaSet. `claims`: cut off from the others, it takes itself for the
    primary; no write of its own is ever on more than itself."""

    def __init__(self, replica_set):
        self.replica_set, self.claims, self.term = replica_set, False, 0
        super().__init__()

    def _on_ismaster(self, _command):
        is_primary = self.claims or self.replica_set.primary is self
        return {**super()._on_ismaster(_command), "ismaster": is_primary,
                "isWritablePrimary": is_primary, "secondary": not is_primary,
                "setName": "rs0", "setVersion": 1, "me": self.address,
                "hosts": [member.address for member in self.replica_set.members],
                "logicalSessionTimeoutMinutes": 30,
                **({"electionId": bson.ObjectId("%024x" % self.term), "primary": self.address}
                   if is_primary else {})}

    _on_hello = _on_ismaster

    def _on_insert(self, command):
        if self.claims:
            self.plan.insert(0, "deposed")
        elif self.replica_set.primary is not self:
            self.plan.insert(0, "not_primary")
        elif self.plan[:1] == ["deposed"]:
            self.replica_set.primary = None
        return super()._on_insert(command)


class ScriptedReplicaSet:
    """Two members that share what was written with its concern met."""

    def __init__(self):
        self.primary = None
        self.members = [ScriptedMember(self), ScriptedMember(self)]
        self.members[1].collections = self.members[0].collections
        self.uri = "mongodb://%s/?replicaSet=rs0&heartbeatFrequencyMS=500" % ",".join(
            member.address for member in self.members)
        self.elect(self.members[0])

    def elect(self, member):
        member.term = 1 + max(one.term for one in self.members)
        self.primary = member

    def documents(self):
        return self.members[0].documents()

    def close(self):
        for member in self.members:
            member.close()
