"""The container's side of the port tests: a service a port, each connection a thread."""

import hashlib
import socket
import threading

BLOCK = bytes(range(256)) * 256


def echo(stream):
    """Give back what comes until the end of input, then end."""
    while data := stream.recv(65536):
        stream.sendall(data)


def greet(stream):
    """Speak first, then answer one line."""
    stream.sendall(b"who is there?\n")
    with stream.makefile("rb") as lines:
        stream.sendall(b"hello " + lines.readline())


def digest(stream):
    """Read to the end of input, and only then answer with a digest."""
    total = hashlib.sha256()
    while data := stream.recv(65536):
        total.update(data)
    stream.sendall(total.hexdigest().encode() + b"\n")


def source(stream):
    """Send as many blocks as the first line says."""
    with stream.makefile("rb") as lines:
        for _ in range(int(lines.readline())):
            stream.sendall(BLOCK)


def silent(stream):
    """Take the connection and say nothing until the other side ends."""
    while stream.recv(65536):
        pass


SERVICES = {5001: echo, 5002: greet, 5003: digest, 5004: source, 5005: silent}


def serve(port, service):
    """Accept for ever."""

    def handle(stream):
        with stream:
            try:
                service(stream)
            except OSError as error:
                print(f"{service.__name__}: {error}", flush=True)

    with socket.create_server(("", port), backlog=512) as listener:
        while True:
            stream, _ = listener.accept()
            threading.Thread(target=handle, args=(stream,), daemon=True).start()


def echo_datagrams(port):
    """Give each datagram back to its sender."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("", port))
        while True:
            data, sender = server.recvfrom(65536)
            server.sendto(data, sender)


threading.Thread(target=echo_datagrams, args=(5006,), daemon=True).start()
for entry in SERVICES.items():
    threading.Thread(target=serve, args=entry).start()
print("ready", flush=True)
