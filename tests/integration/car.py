# SPDX-License-Identifier: Apache-2.0
"""A car on Python's websockets, driven step by step from a test."""

import asyncio
import json

import websockets

PATIENCE_S = 60


class Car:
    def __init__(self, url, subprotocols=("motorcade.v1",)):
        self.loop = asyncio.new_event_loop()
        self.socket = self._do(self._connect(url, list(subprotocols) or None))

    @staticmethod
    async def _connect(url, subprotocols):
        return await websockets.connect(url, subprotocols=subprotocols, max_size=None,
                                        ping_interval=None, close_timeout=5)

    def _do(self, step, timeout_s=PATIENCE_S):
        return self.loop.run_until_complete(asyncio.wait_for(step, timeout_s))

    @property
    def subprotocol(self):
        return self.socket.subprotocol

    @property
    def close_code(self):
        return self.socket.close_code

    def send(self, message):
        if isinstance(message, dict):
            message = json.dumps(message)
        self._do(self.socket.send(message))

    def recv(self, timeout_s=PATIENCE_S):
        return self._do(self.socket.recv(), timeout_s)

    def ping(self):
        async def there_and_back():
            await (await self.socket.ping())

        self._do(there_and_back())

    def acks_until(self, n):
        """Read until {"ack":n}; returns the rejections on the way as {number: reason}."""
        rejects, acked = {}, 0
        while acked < n:
            message = json.loads(self.recv())
            if "reject" in message:
                assert message["reject"] > acked, "a rejection after the ack that covers it"
                rejects[message["reject"]] = message["reason"]
            else:
                assert message["ack"] > acked, "acks must grow"
                acked = message["ack"]
        assert acked == n
        return rejects

    def wait_closed(self):
        self._do(self.socket.wait_closed())
        return self.socket.close_code

    def close(self):
        self._do(self.socket.close())
        self.loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
