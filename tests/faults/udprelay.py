# SPDX-License-Identifier: LGPL-2.1-or-later
"""A UDP relay in front of the server's media port, where the kernel has no netem: delay, jitter, reordering,
duplicates, and the address that the server sees, which may change as behind a NAT that forgot."""

import heapq
import itertools
import random
import selectors
import socket
import threading
import time

BUFFER = 4 * 1024 * 1024


class UdpRelay(threading.Thread):
    """Listens on a port of `host`; what comes from a client goes to `server` from a socket of its own, and back.

    Figures may be set at any time: delay_ms and jitter_ms (even, on top) for each way, reorder and duplicate (parts of
    1 of the packets; a reordered one comes reorder_ms later than its turn).
    """

    def __init__(self, host, server, seed):
        super().__init__(daemon=True)
        self.server = server
        self.delay_ms = self.jitter_ms = 0
        self.reorder = self.duplicate = 0.0
        self.reorder_ms = 10
        self.packets = 0
        self.random = random.Random(seed)
        self.numbers = itertools.count()
        self.queue = []
        self.last_due = {}
        self.upstream, self.clients = {}, {}
        self.selector = selectors.DefaultSelector()
        self.listener = self._open(host)
        self.port = self.listener.getsockname()[1]
        self.moving = threading.Event()
        self.closing = False
        self.start()

    def _open(self, host):
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        opened.bind((host, 0))
        opened.setblocking(False)
        self.selector.register(opened, selectors.EVENT_READ)
        return opened

    def change_address(self):
        """From the next packet on, the server sees all clients under new ports."""
        self.moving.set()

    def _move(self):
        self.moving.clear()
        for old in self.upstream.values():
            self.selector.unregister(old)
            old.close()
        self.upstream, self.clients = {}, {}

    def _to_server(self, client):
        if client not in self.upstream:
            self.upstream[client] = self._open('0.0.0.0')
            self.clients[self.upstream[client]] = client
        return self.upstream[client]

    def _receive(self, source):
        while True:
            try:
                data, sender = source.recvfrom(65536)
            except OSError:
                return
            self.packets += 1
            if source is self.listener:
                self._send_later((self._to_server(sender), self.server), data)
            elif source in self.clients:
                self._send_later((self.listener, self.clients[source]), data)

    def _send_later(self, route, data):
        """Jitter alone keeps the order, as a queue does; reordering is a figure of its own."""
        due = time.monotonic() + (self.delay_ms + self.random.uniform(0, self.jitter_ms)) / 1000
        due = max(due, self.last_due.get(route, 0))
        if self.random.random() < self.reorder:
            due += self.reorder_ms / 1000
        else:
            self.last_due[route] = due
        for _ in range(2 if self.random.random() < self.duplicate else 1):
            heapq.heappush(self.queue, (due, next(self.numbers), route, data))

    def run(self):
        while not self.closing:
            left = max(0, self.queue[0][0] - time.monotonic()) if self.queue else 0.1
            for key, _ in self.selector.select(min(left, 0.1)):
                self._receive(key.fileobj)
            if self.moving.is_set():
                self._move()
            while self.queue and self.queue[0][0] <= time.monotonic():
                _, _, (out, address), data = heapq.heappop(self.queue)
                try:
                    out.sendto(data, address)
                except OSError:
                    pass  # the address changed meanwhile, or a full buffer: lost, as on a network
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()

    def close(self):
        self.closing = True
        self.join(2)
