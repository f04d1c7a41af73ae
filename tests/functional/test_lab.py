"""The laboratory itself: a fault that it claims to inject must really happen."""

import socket
import threading
import time

from lab import flip_bit, wait_until


def echo_server():
    """A server that sends back what it gets; returns its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(client):
        try:
            while data := client.recv(4096):
                client.sendall(data)
        except OSError:
            pass

    def accept():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()


def is_broken(connection):
    """Whether the other end is gone."""
    connection.settimeout(5)
    try:
        connection.sendall(b"x")
        return connection.recv(1) == b""
    except OSError:
        return True


def test_a_cut_breaks_connections_and_refuses_new_ones_until_it_heals(lab):
    proxy = lab.proxy(echo_server())
    connection = socket.create_connection(proxy.address, timeout=5)
    connection.sendall(b"hello")
    assert connection.recv(5) == b"hello"
    assert proxy.cut() == 1
    assert is_broken(connection)
    refused = socket.create_connection(proxy.address, timeout=5)
    assert is_broken(refused)
    proxy.heal()
    healed = socket.create_connection(proxy.address, timeout=5)
    healed.sendall(b"again")
    assert healed.recv(5) == b"again"
    wait_until(lambda: lab.faults.get("refused connection") == 1, "the refusal to be counted")
    assert lab.faults["partition"] == 1
    assert lab.faults["reset"] == 1
    lab.faults.clear()  # nothing of ours was broken


def test_a_delay_delays(lab):
    proxy = lab.proxy(echo_server())
    proxy.delay_s = 0.2
    connection = socket.create_connection(proxy.address, timeout=5)
    begin = time.monotonic()
    connection.sendall(b"x")
    assert connection.recv(1) == b"x"
    # There and back.
    assert time.monotonic() - begin >= 0.4


def test_a_flipped_bit_is_one_bit(lab):
    path = lab.folder / "file"
    path.write_bytes(b"\x00\x01\x02")
    flip_bit(path, 1, 7)
    assert path.read_bytes() == b"\x00\x81\x02"
