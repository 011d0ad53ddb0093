# SPDX-License-Identifier: LGPL-2.1-or-later
"""A TCP forwarder for the websocket, which can be cut or made to wait; and it counts."""

import contextlib
import re
import socket
import threading

CHUNK = 65536


class Connection:
    """One connection through the proxy: the two sockets and what happens to bytes between them."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.flowing = threading.Event()
        self.flowing.set()
        self.path = None

    @property
    def is_websocket(self):
        """A websocket of signalling, not a request for validation or of the server's API."""
        return bool(self.path and re.match(r'/+rtc(/v1)?$', self.path))

    def pump(self, source, target, from_client):
        try:
            while data := source.recv(CHUNK):
                if from_client and self.path is None:
                    words = data.split(b'\r\n', 1)[0].split(b' ')
                    self.path = words[1].split(b'?')[0].decode('latin-1') if len(words) > 1 else ''
                self.flowing.wait()
                target.sendall(data)
        except OSError:
            pass
        self.flowing.wait()
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        self.flowing.set()
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class TcpProxy(threading.Thread):
    """Listens on a free port of a host in the network namespace of the thread that makes it."""

    def __init__(self, host, address):
        super().__init__(daemon=True)
        self.address = address
        self.lock = threading.Lock()
        self.connections = []
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        self.url = 'ws://%s:%d' % (host, self.port)
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            server = socket.create_connection(self.address, 10)
            server.settimeout(None)
        except OSError:
            client.close()
            return
        connection = Connection(client, server)
        with self.lock:
            self.connections.append(connection)
        threading.Thread(target=connection.pump, args=(client, server, True), daemon=True).start()
        connection.pump(server, client, False)

    def websockets(self):
        """All that there were, oldest first."""
        with self.lock:
            return [connection for connection in self.connections if connection.is_websocket]

    @property
    def count(self):
        return len(self.websockets())

    def cut(self):
        """The present websocket ends, in both directions, without a close frame."""
        self.websockets()[-1].cut()

    def close(self):
        self.listener.close()
        with self.lock:
            for connection in self.connections:
                connection.cut()
