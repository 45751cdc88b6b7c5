# SPDX-License-Identifier: Apache-2.0
"""A real server of MongoDB's protocol for tests (scripts/dev-mongodb), that can be killed."""

import os
import signal
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


class MongoServer:
    """Started by us on a port of its own, or the one that MOTORCADE_TEST_MONGODB_URI names."""

    def __init__(self, folder):
        self.given = os.environ.get("MOTORCADE_TEST_MONGODB_URI")
        self.folder, self.port, self.process = folder, free_port(), None
        self.uri = self.given or f"mongodb://127.0.0.1:{self.port}"

    @staticmethod
    def need():
        """Skips where none can be had; builds it where that is needed, once."""
        if os.environ.get("MOTORCADE_TEST_MONGODB_URI"):
            return
        done = subprocess.run([DEV_MONGODB, "install"], capture_output=True, text=True, check=False)
        if done.returncode == SKIPPED:
            pytest.skip(done.stderr.strip().splitlines()[-1])
        assert done.returncode == 0, done.stderr

    def start(self):
        if self.given:
            return self
        with open(self.folder / "mongodb.log", "ab") as log:
            self.process = subprocess.Popen(
                [DEV_MONGODB, "run", "--port", str(self.port), "--data", self.folder / "mongodb"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: is_up(self.uri), "the MongoDB server", 2 * PATIENCE_S)
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def client(self):
        return pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=int(PATIENCE_S * 1000))

    def is_genuine(self):
        """MongoDB itself: 2dsphere, $near and TTL work."""
        with self.client() as client:
            return "ferretdb" not in str(client.admin.command("buildInfo")).lower()
