"""An HTTP server that takes connections with a PROXY header only, and answers with what the header says.

As a command: ``proxied.py PORT`` listens on all addresses of both families, says ``serving``, and serves until killed.
An answer is ``v1 TCP4 SOURCE DESTINATION`` or ``v2 TCP6 SOURCE DESTINATION``. Whoever sends no header, or one that is
not of the PROXY protocol's specification (section 2), is hung up on. ``LOCAL`` is what health checks say.
"""

import contextlib
import ipaddress
import re
import socket
import socketserver
import struct
import subprocess
import sys

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_LINE = re.compile(rb"PROXY (TCP4|TCP6) ([0-9a-f.:]+) ([0-9a-f.:]+) ([0-9]{1,5}) ([0-9]{1,5})\r\n")
_FAMILIES = {0x11: ("TCP4", 4), 0x21: ("TCP6", 16)}


def version_2(stream) -> str:
    """What is behind the signature: command, family, length, and the addresses with their ports."""
    command, family, length = struct.unpack("!BBH", stream.read(4))
    body = stream.read(length)
    if command == 0x20:
        return "v2 LOCAL"
    assert command == 0x21, command
    name, size = _FAMILIES[family]
    source, destination = (ipaddress.ip_address(body[n * size : (n + 1) * size]) for n in (0, 1))
    ports = struct.unpack_from("!HH", body, 2 * size)
    assert all(ports), ports
    return f"v2 {name} {source} {destination}"


def version_1(line: bytes) -> str:
    """The header as one line of text."""
    if line == b"PROXY UNKNOWN\r\n":
        return "v1 LOCAL"
    found = _LINE.fullmatch(line)
    assert found, line
    name, source, destination = (word.decode() for word in found.groups()[:3])
    return f"v1 {name} {ipaddress.ip_address(source)} {ipaddress.ip_address(destination)}"


@contextlib.contextmanager
def serving(server, port: int = 8081):
    """Have one serve in the namespace of a web server."""
    command = ["ip", "netns", "exec", server.namespace, sys.executable, "-P", __file__, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"serving\n"
            yield
        finally:
            process.kill()


class Handler(socketserver.StreamRequestHandler):
    """One connection with one request."""

    def handle(self) -> None:
        """Hear the header, then the request, then answer."""
        start = self.rfile.peek(len(SIGNATURE))
        if start.startswith(SIGNATURE):
            self.rfile.read(len(SIGNATURE))
            told = version_2(self.rfile)
        else:
            told = version_1(self.rfile.readline(108))
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told.encode()))


class Server(socketserver.ThreadingTCPServer):
    """On both families."""

    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind, for IPv4 too."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, *_: object) -> None:
        """Who does not keep to the protocol is hung up on."""


if __name__ == "__main__":
    server = Server(("::", int(sys.argv[1])), Handler)
    print("serving", flush=True)
    server.serve_forever()
