"""What the benches of files and file events run, on the host and in containers."""
import ctypes
import os
import struct
import sys
import time

CLOSE_WRITE, ATTRIB, MOVED_TO = 0x8, 0x4, 0x80
MASKS = {"close-write": CLOSE_WRITE, "attrib": ATTRIB, "synced": CLOSE_WRITE | MOVED_TO}


def names(folder, mask):
    """The names of files as events of them come."""
    libc = ctypes.CDLL(None, use_errno=True)
    inotify = libc.inotify_init1(0)
    if libc.inotify_add_watch(inotify, os.fsencode(folder), mask) < 0:
        raise OSError(ctypes.get_errno(), folder)
    print("ready", file=sys.stderr, flush=True)
    while True:
        events, at = os.read(inotify, 1 << 16), 0
        while at < len(events):
            length = struct.unpack_from("iIII", events, at)[3]
            yield events[at + 16 : at + 16 + length].rstrip(b"\0").decode()
            at += 16 + length


def watch(folder, kind):
    for name in names(folder, MASKS[kind]):
        print(name, flush=True)


def touch(folder):
    """Lima's way: the times that the file has are set, in the guest."""
    for line in sys.stdin:
        path = os.path.join(folder, line.strip())
        found = os.stat(path)
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def chmod(folder):
    """Colima's way: the mode that the file has is set, in the guest."""
    for line in sys.stdin:
        path = os.path.join(folder, line.strip())
        os.chmod(path, os.stat(path).st_mode & 0o7777)


def fill(folder, count):
    for number in range(int(count)):
        if number % 100 == 0:
            os.makedirs(f"{folder}/{number // 100}", exist_ok=True)
        with open(f"{folder}/{number // 100}/{number}", "wb") as file:
            file.write(b"x" * 2048)


def each(folder, act):
    """Files a second."""
    began, count = time.monotonic(), 0
    for place, _, files in os.walk(folder):
        for name in files:
            act(os.path.join(place, name))
            count += 1
    print(count / (time.monotonic() - began), flush=True)


def read(folder):
    def act(path):
        with open(path, "rb") as file:
            file.read()

    each(folder, act)


def stat(folder):
    each(folder, os.stat)


verb, *arguments = sys.argv[1:]
{"watch": watch, "touch": touch, "chmod": chmod, "fill": fill, "read": read, "stat": stat}[verb](*arguments)
