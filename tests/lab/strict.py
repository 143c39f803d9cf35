"""A member that takes nothing but what RFC 9112 says, and writes down what it got: who smuggles, is seen here.

    strict.py ADDRESS PORT FILE

Each request is a line of JSON in FILE: method, target, headers (a list of pairs) and the length of the body. What is no
request by the letter is {"malformed": why, "bytes": ...}, and ends its connection. Every request is answered with 200
and its own target; connections are kept open.
"""

import json
import pathlib
import re
import socket
import socketserver
import sys
import threading
from typing import Any

REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP/1\.[01]")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?|)[ \t]*")
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(;[\t -~\x80-\xff]*)?")


class Malformed(Exception):
    """Not a request by the letter."""


class Handler(socketserver.StreamRequestHandler):
    """One connection."""

    def handle(self) -> None:
        """Read requests until the other side ends, or one is malformed."""
        try:
            while request := self.read_request():
                self.write_down(request)
                status = b"405 Method Not Allowed" if request["method"] == "CONNECT" else b"200 OK"
                body = request["target"].encode()
                self.wfile.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        except Malformed as error:
            self.write_down({"malformed": str(error)})
        except (ConnectionError, TimeoutError):
            return

    def write_down(self, what: dict[str, Any]) -> None:
        """A line of the log, whole."""
        with self.server.lock:
            self.server.file.write(json.dumps(what) + "\n")
            self.server.file.flush()

    def line(self) -> bytes:
        """One line, which CR LF ends and in which neither stands alone."""
        line = self.rfile.readline(65536)
        if not line:
            raise ConnectionError
        if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
            raise Malformed(f"line {line[:200]!r}")
        return line[:-2]

    def read_request(self) -> dict[str, Any]:
        """One request with its body. Raises ``Malformed``, and ``ConnectionError`` at the end."""
        found = REQUEST_LINE.fullmatch(first := self.line())
        if not found:
            raise Malformed(f"request line {first[:200]!r}")
        headers = []
        while line := self.line():
            field = FIELD.fullmatch(line)
            if not field:
                raise Malformed(f"field {line[:200]!r}")
            headers.append((field[1].decode().lower(), field[2].decode("latin-1")))
        length = self.read_body(headers)
        return {"method": found[1].decode(), "target": found[2].decode(), "headers": headers, "length": length}

    def read_body(self, headers: list[tuple[str, str]]) -> int:
        """Read the body; its length. It may be told in one way only (RFC 9112, 6.3)."""
        lengths = [value for name, value in headers if name == "content-length"]
        codings = [value for name, value in headers if name == "transfer-encoding"]
        if len([name for name, _ in headers if name == "host"]) > 1:
            raise Malformed("two hosts")
        if len(lengths) + len(codings) > 1:
            raise Malformed(f"lengths {lengths} and codings {codings}")
        if codings:
            if codings != ["chunked"]:
                raise Malformed(f"coding {codings}")
            return self.read_chunks()
        if lengths and not re.fullmatch("[0-9]{1,12}", lengths[0]):
            raise Malformed(f"length {lengths}")
        return len(self.exactly(int(lengths[0]))) if lengths else 0

    def read_chunks(self) -> int:
        """Read chunks up to the last one, and the trailer; the sum of their lengths."""
        total = 0
        while True:
            found = CHUNK.fullmatch(line := self.line())
            if not found:
                raise Malformed(f"chunk {line[:200]!r}")
            size = int(found[1], 16)
            if size == 0:
                while self.line():
                    pass
                return total
            total += len(self.exactly(size))
            if self.line():
                raise Malformed("a chunk that is longer than it says")

    def exactly(self, size: int) -> bytes:
        """So many bytes."""
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionError
        return data


class Server(socketserver.ThreadingTCPServer):
    """Listens until its process ends."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: str, port: int, file: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.lock = threading.Lock()
        self.file = pathlib.Path(file).open("a")  # noqa: SIM115
        super().__init__((address, port), Handler)


if __name__ == "__main__":
    server = Server(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    print("serving", flush=True)
    server.serve_forever()
