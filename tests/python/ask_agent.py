"""Prints the comments of the keys that the ssh agent offers."""

import os
import socket
import struct

REQUEST_IDENTITIES = 11
IDENTITIES_ANSWER = 12


def exactly(stream, length):
    """Read so many bytes, or fail."""
    data = b""
    while len(data) < length:
        piece = stream.recv(length - len(data))
        if not piece:
            raise EOFError("the agent closed the connection")
        data += piece
    return data


def text(answer, at):
    """Take a length-prefixed string; returns it and where the next field begins."""
    (length,) = struct.unpack_from(">I", answer, at)
    return answer[at + 4 : at + 4 + length], at + 4 + length


with socket.socket(socket.AF_UNIX) as agent:
    agent.connect(os.environ["SSH_AUTH_SOCK"])
    agent.sendall(struct.pack(">IB", 1, REQUEST_IDENTITIES))
    (size,) = struct.unpack(">I", exactly(agent, 4))
    answer = exactly(agent, size)

kind, count = struct.unpack_from(">BI", answer)
assert kind == IDENTITIES_ANSWER, kind
position = 5
for _ in range(count):
    _, position = text(answer, position)
    comment, position = text(answer, position)
    print(comment.decode())
