#!/usr/bin/env python3
"""Stands between clients and a server's unix socket, and resets a connection now and then when the server has
answered and the client has not heard it yet.

    resets.py LISTEN SERVER EVERY LOG     about one answer in EVERY is dropped; LOG gets a line for each
"""
import random
import selectors
import socket
import sys

listen_path, server_path, every, log_path = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
selector = selectors.DefaultSelector()
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind(listen_path)
listener.listen(256)
selector.register(listener, selectors.EVENT_READ, None)
log = open(log_path, "a", buffering=1)
print("ready", flush=True)


def close(pair):
    for end in pair:
        try:
            selector.unregister(end)
        except (KeyError, ValueError):
            continue
        end.close()


while True:
    for key, _ in selector.select():
        if key.data is None:
            client, _ = listener.accept()
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                server.connect(server_path)
            except OSError:
                client.close()
                continue
            selector.register(client, selectors.EVENT_READ, (client, server, False))
            selector.register(server, selectors.EVENT_READ, (server, client, True))
            continue
        source, sink, answer = key.data
        if source.fileno() < 0 or sink.fileno() < 0:
            continue
        try:
            data = source.recv(1 << 16)
        except OSError:
            data = b""
        if data and answer and random.randrange(every) == 0:
            log.write("reset\n")
            data = b""
        try:
            if data:
                sink.sendall(data)
        except OSError:
            data = b""
        if not data:
            close((source, sink))
