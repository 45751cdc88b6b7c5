# SPDX-License-Identifier: Apache-2.0
"""A real server of MongoDB's protocol for tests (scripts/dev-mongodb), that can be killed."""

import os
import signal
import socket
import subprocess

import pymongo
import pytest

from conftest import PATIENCE_S, ROOT, free_port, wait_for

DEV_MONGODB = ROOT / "scripts" / "dev-mongodb"
SKIPPED = 77


def is_up(uri):
    client = pymongo.MongoClient(uri, serverSelectionTimeoutMS=1000)
    try:
        client.admin.command("ping")
        return True
    except pymongo.errors.PyMongoError:
        return False
    finally:
        client.close()


def accepts(port):
    """Asked first: a client that found nobody looks again after half a second only."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class MongoServer:
    """Started by us on a port of its own, or the one that MOTORCADE_TEST_MONGODB_URI names."""

    def __init__(self, folder, *options):
        """Options of scripts/dev-mongodb: --tls, --auth. Such a server is always our own."""
        self.given = None if options else os.environ.get("MOTORCADE_TEST_MONGODB_URI")
        self.folder, self.options, self.port, self.process = folder, options, free_port(), None
        self.data = folder / "mongodb"
        self.uri = self.given or f"mongodb://127.0.0.1:{self.port}"

    @staticmethod
    def need(*options):
        """Skips where none can be had; builds it where that is needed, once."""
        if os.environ.get("MOTORCADE_TEST_MONGODB_URI") and not options:
            return
        done = subprocess.run([DEV_MONGODB, "install", *options], capture_output=True, text=True,
                              check=False)
        if done.returncode == SKIPPED:
            pytest.skip(done.stderr.strip().splitlines()[-1])
        assert done.returncode == 0, done.stderr

    def start(self):
        if self.given:
            return self
        with open(self.folder / "mongodb.log", "ab") as log:
            self.process = subprocess.Popen(
                [DEV_MONGODB, "run", "--port", str(self.port), "--data", self.data, *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if self.options:
            self.uri = wait_for(self.secure_uri, "the server's password and certificates")
        wait_for(lambda: accepts(self.port), "the MongoDB server", 2 * PATIENCE_S)
        wait_for(lambda: is_up(self.uri), "its answer", 2 * PATIENCE_S)
        return self

    @property
    def password(self):
        return (self.data / "password").read_text()

    def secure_uri(self):
        """Once all is there that it names."""
        user, query = "", []
        if "--auth" in self.options:
            if not (self.data / "password").exists():
                return None
            user, query = f"motorcade:{self.password}@", ["authSource=admin"]
        if "--tls" in self.options:
            if not (self.data / "node.crt").exists():
                return None
            query += ["tls=true", f"tlsCAFile={self.data / 'ca.pem'}"]
        return f"mongodb://{user}127.0.0.1:{self.port}/?{'&'.join(query)}"

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def client(self):
        return pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=int(PATIENCE_S * 1000))

    def count(self, database, collection="position"):
        """Documents. FerretDB reads them all for a count, but not for its statistics, which it
        counts for each question."""
        with self.client() as client:
            if self.is_genuine():
                return client[database][collection].count_documents({})
            return client[database].command("collStats", collection)["count"]

    def is_genuine(self):
        """MongoDB itself: 2dsphere, $near and TTL work."""
        with self.client() as client:
            return "ferretdb" not in str(client.admin.command("buildInfo")).lower()
