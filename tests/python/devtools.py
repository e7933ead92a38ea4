"""A client of the Chrome DevTools protocol: stops at a line, tells a value there, goes on.

devtools.py HOST:PORT FILE LINE EXPRESSION
"""

import json
import sys
import urllib.request

import websocket


class Inspector:
    """One conversation with an inspector."""

    def __init__(self, address):
        with urllib.request.urlopen(f"http://{address}/json/list", timeout=60) as answer:
            target = json.load(answer)[0]
        path = target["webSocketDebuggerUrl"].split("/")[-1]
        self.socket = websocket.create_connection(
            f"ws://{address}/{path}", timeout=300, suppress_origin=True
        )
        self.last = 0
        self.events = []

    def ask(self, method, **parameters):
        self.last += 1
        self.socket.send(
            json.dumps({"id": self.last, "method": method, "params": parameters})
        )
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.last:
                if "error" in message:
                    sys.exit(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def wait(self, method):
        while True:
            for event in self.events:
                if event.get("method") == method:
                    self.events.remove(event)
                    return event["params"]
            self.events.append(json.loads(self.socket.recv()))


def main(address, file, line, expression):
    inspector = Inspector(address)
    inspector.ask("Runtime.enable")
    inspector.ask("Debugger.enable")
    breakpoint_ = inspector.ask(
        "Debugger.setBreakpointByUrl",
        urlRegex=f".*/{file.replace('.', '[.]')}$",
        lineNumber=int(line) - 1,
    )
    if not breakpoint_["locations"]:
        sys.exit(f"{file} has not been loaded")
    print("waiting", flush=True)
    frame = inspector.wait("Debugger.paused")["callFrames"][0]
    print("stopped in", frame["functionName"], flush=True)
    value = inspector.ask(
        "Debugger.evaluateOnCallFrame",
        callFrameId=frame["callFrameId"],
        expression=f"JSON.stringify({expression})",
    )
    print("value", value["result"]["value"], flush=True)
    inspector.ask(
        "Debugger.removeBreakpoint", breakpointId=breakpoint_["breakpointId"]
    )
    inspector.ask("Debugger.resume")
    inspector.socket.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
