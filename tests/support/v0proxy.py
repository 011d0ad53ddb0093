#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A TCP forwarder in front of a livekit-server that makes it look like one from before signalling v1.

A request for /rtc/v1 or below is answered 404 with an empty body, as a server does that does not know the path;
everything else passes untouched. Media does not come through here: the server names its own ICE candidates.
"""

import argparse
import re
import socket
import threading

NOT_FOUND = b'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
HEADERS_LIMIT = 2 * 1024 * 1024


class V0Proxy(threading.Thread):
    """Listens on a free loopback port; `refused` counts the 404 answers, `passed` the forwarded connections. When
    `forgets` is set, who asks to resume gets a session that is new."""

    def __init__(self, server_port, port=0):
        super().__init__(daemon=True)
        self.server_port = server_port
        self.refused = self.passed = 0
        self.forgets = False
        self.clients = []
        self.listener = socket.create_server(('127.0.0.1', port))
        self.port = self.listener.getsockname()[1]
        self.url = 'ws://127.0.0.1:%d' % self.port
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        head = b''
        while b'\r\n\r\n' not in head and len(head) < HEADERS_LIMIT:
            data = client.recv(65536)
            if not data:
                client.close()
                return
            head += data
        if re.match(rb'[A-Z]+ /+rtc/v1[/? ]', head):
            self.refused += 1
            client.sendall(NOT_FOUND)
            client.close()
            return
        self.passed += 1
        self.clients.append(client)
        if self.forgets:
            head = head.replace(b'reconnect=1', b'reconnect=0')
        server = socket.create_connection(('127.0.0.1', self.server_port))
        server.sendall(head)
        threading.Thread(target=pump, args=(client, server), daemon=True).start()
        pump(server, client)

    def cut(self):
        """Ends all connections that there were."""
        while self.clients:
            end(self.clients.pop())

    def close(self):
        self.listener.close()


def end(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def pump(source, target):
    """Copies bytes one way until either end is gone, then ends the other direction too."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    end(source)
    end(target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('server_port', type=int)
    parser.add_argument('--port', type=int, default=0)
    options = parser.parse_args()
    proxy = V0Proxy(options.server_port, options.port)
    print(proxy.url, flush=True)
    proxy.join()


if __name__ == '__main__':
    main()
