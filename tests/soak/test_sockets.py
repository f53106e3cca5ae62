"""Connections which others hold open are told from those that a process forgot to close."""

import os
import socket
from pathlib import Path

from tests.soak.sockets import inbound


def told() -> frozenset[str]:
    return inbound([Path("/proc/net/tcp").read_text(encoding="ascii")])


def inode(connection: socket.socket) -> str:
    return str(os.fstat(connection.fileno()).st_ino)


def test_a_connection_counts_for_others_until_they_close_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with accepted:
            assert inode(accepted) in told()
            assert not {inode(client), inode(server)} & told()
            client.close()
            accepted.recv(1)
            assert inode(accepted) not in told()
