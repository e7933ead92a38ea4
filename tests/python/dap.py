"""A client of the debug adapter protocol, on debugpy's own messages: stops at a line, tells a value, goes on.

dap.py HOST:PORT LOCAL-FOLDER REMOTE-FOLDER FILE LINE EXPRESSION
"""

import socket
import sys
import threading

from debugpy.common import messaging


class Events:
    """What debugpy tells."""

    def __init__(self):
        self.initialized = threading.Event()
        self.stopped = threading.Event()
        self.thread = None

    def initialized_event(self, event):
        self.initialized.set()

    def stopped_event(self, event):
        self.thread = event.body["threadId"]
        self.stopped.set()

    def event(self, event):
        pass

    def disconnect(self):
        pass


def main(address, local, remote, file, line, expression):
    host, port = address.split(":")
    stream = messaging.JsonIOStream.from_socket(
        socket.create_connection((host, int(port)), timeout=300)
    )
    events = Events()
    channel = messaging.JsonMessageChannel(stream, events)
    channel.start()
    capabilities = channel.request(
        "initialize",
        {
            "adapterID": "debugpy",
            "clientID": "test",
            "pathFormat": "path",
            "linesStartAt1": True,
            "columnsStartAt1": True,
        },
    )
    if not capabilities.get("supportsConfigurationDoneRequest"):
        sys.exit(f"no debugpy: {capabilities}")
    attached = channel.send_request(
        "attach",
        {
            "justMyCode": True,
            "pathMappings": [{"localRoot": local, "remoteRoot": remote}],
        },
    )
    events.initialized.wait(300)
    answer = channel.request(
        "setBreakpoints",
        {
            "source": {"path": f"{local}/{file}"},
            "breakpoints": [{"line": int(line)}],
        },
    )
    if not answer["breakpoints"][0]["verified"]:
        sys.exit(f"the breakpoint was not taken: {answer}")
    channel.request("configurationDone", {})
    attached.wait_for_response()
    print("waiting", flush=True)
    if not events.stopped.wait(300):
        sys.exit("it never stopped")
    frame = channel.request("stackTrace", {"threadId": events.thread})["stackFrames"][0]
    print("stopped in", frame["name"], frame["source"]["path"], frame["line"], flush=True)
    value = channel.request(
        "evaluate",
        {"expression": expression, "frameId": frame["id"], "context": "watch"},
    )
    print("value", value["result"], flush=True)
    channel.request(
        "setBreakpoints",
        {"source": {"path": f"{local}/{file}"}, "breakpoints": []},
    )
    channel.request("continue", {"threadId": events.thread})
    channel.request("disconnect", {"terminateDebuggee": False})


if __name__ == "__main__":
    main(*sys.argv[1:])
