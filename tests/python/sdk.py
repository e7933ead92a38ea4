"""Docker's Python SDK against the engine at DOCKER_HOST: `sdk.py <case> <image>`."""

import io
import sys
import tarfile
import threading
import time

import docker


def run(client, image):
    """Output, error output and exit code of a container."""
    assert client.containers.run(image, ["echo", "hello"], remove=True) == b"hello\n"
    try:
        client.containers.run(image, ["sh", "-c", "echo why >&2; exit 9"], remove=True)
    except docker.errors.ContainerError as error:
        assert error.exit_status == 9 and error.stderr == b"why\n", error
    else:
        raise AssertionError("the failure was not reported")
    assert client.containers.list(all=True) == []


def logs(client, image):
    """A log stream gives a line while the container goes on."""
    script = "echo first; while [ ! -e /go ]; do sleep 0.2; done; echo second; sleep 1000"
    container = client.containers.run(image, ["sh", "-c", script], detach=True)
    stream = container.logs(stream=True, follow=True)
    assert next(stream) == b"first\n"
    container.exec_run(["touch", "/go"])
    assert next(stream) == b"second\n"
    container.reload()
    assert container.status == "running", container.status
    container.remove(force=True)


def exec(client, image):
    """Exec with separate streams, with a stream of output, and over a socket."""
    container = client.containers.run(image, ["sleep", "1000"], detach=True)
    script = ["sh", "-c", "echo out; echo err >&2; exit 6"]
    assert container.exec_run(script, demux=True) == (6, (b"out\n", b"err\n"))
    _, stream = container.exec_run(["sh", "-c", "echo a; sleep 1; echo b"], stream=True)
    assert b"".join(stream) == b"a\nb\n"
    _, opened = container.exec_run(["cat"], stdin=True, tty=True, socket=True)
    opened._sock.sendall(b"through\n")
    received = b""
    while received.count(b"through") < 2:
        piece = opened._sock.recv(4096)
        assert piece, received
        received += piece
    opened.close()
    container.remove(force=True)


def attach(client, image):
    """The attach socket with half-close: the output comes after the end of input."""
    # The low-level call sets StdinOnce, so that our end of input is the container's.
    created = client.api.create_container(
        image, ["sh", "-c", "cat >/all; cat /all"], stdin_open=True
    )
    container = client.containers.get(created["Id"])
    opened = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    opened._sock.sendall(b"word\n")
    opened._sock.shutdown(1)
    received = b""
    while piece := opened._sock.recv(4096):
        received += piece
    # A frame's head: stream, three zeros, length.
    assert received == b"\x01\0\0\0\0\0\0\x05word\n", received
    assert container.wait()["StatusCode"] == 0
    container.remove(force=True)


def events(client, image):
    """Events come while the stream is open, and closing it ends the wait."""
    seen = []
    died = threading.Event()
    stream = client.events(decode=True, filters={"type": "container"})

    def follow():
        for event in stream:
            seen.append(event["Action"])
            if event["Action"] == "die":
                died.set()

    thread = threading.Thread(target=follow)
    thread.start()
    # The stream is open once the generator's request was answered; give it containers until it shows one.
    for _ in range(30):
        client.containers.run(image, ["true"], remove=True)
        if died.wait(1):
            break
    assert "start" in seen and "die" in seen, seen
    stream.close()
    thread.join(60)
    assert not thread.is_alive()


def archive(client, image):
    """put_archive and get_archive bring the same bytes."""
    container = client.containers.run(image, ["sleep", "1000"], detach=True)
    data = bytes(range(256)) * 8192
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        info = tarfile.TarInfo("folder/data")
        info.size = len(data)
        info.mode = 0o640
        tar.addfile(info, io.BytesIO(data))
    assert container.put_archive("/tmp", packed.getvalue())
    pieces, stat = container.get_archive("/tmp/folder/data")
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        assert tar.extractfile("data").read() == data
    assert stat["size"] == len(data) and stat["mode"] == 0o640, stat
    container.remove(force=True)


def build(client, image):
    """A build from a context in memory, with its log."""
    dockerfile = f"FROM {image}\nRUN echo made >/made\nCMD cat /made\n"
    built, log = client.images.build(fileobj=io.BytesIO(dockerfile.encode()), rm=True, tag="sdk-built")
    assert any("Successfully" in line.get("stream", "") for line in log)
    assert client.containers.run("sdk-built", remove=True) == b"made\n"
    client.images.remove(built.id, force=True)


CASES = {case.__name__: case for case in (run, logs, exec, attach, events, archive, build)}

if __name__ == "__main__":
    case, image = sys.argv[1:]
    started = time.monotonic()
    CASES[case](docker.from_env(timeout=300), image)
    print(f"{case}: {time.monotonic() - started:.1f} s")
