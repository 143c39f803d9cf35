"""Members that speak TLS, as one HAProxy on this host's address: each answers with what it learnt of its client."""

import contextlib
import socket
import subprocess
import time

from tests.unit.certs import Identity

ADDRESS = "198.18.0.1"
"""This host's address on the private subnet."""

FIRST = 8440

_ANSWER = "alpn=%[ssl_fc_alpn] sni=%[ssl_fc_sni] cn=%[ssl_c_s_dn(cn)] version=%[req.ver]"

_CONFIGURATION = """global
    maxconn 200
defaults
    mode http
    timeout client 20s
    timeout server 20s
    timeout connect 5s
"""


class Papers:
    """What an authority of a test gives out, and where `lictor up` reads it."""

    def __init__(self, deployment):
        self.place = deployment.state_dir / "secrets"
        self.place.mkdir(mode=0o700, exist_ok=True)
        self.root = Identity("root", ca=True)

    def give(self, name, content):
        """Put a secret there, whole at once; returns its name."""
        new = self.place / f"{name}.new"
        new.write_bytes(content)
        new.replace(self.place / f"{name}.pem")
        return name

    def certificate(self, name, common_name, **more):
        """A certificate of the authority's; returns the identity."""
        made = Identity(common_name, issuer=self.root, alternative=(common_name,), **more)
        self.give(name, made.bundle)
        return made

    def authority(self, path):
        """A file with the authority's certificate, for clients."""
        path.write_bytes(self.root.pem)
        return path


@contextlib.contextmanager
def members(directory, **lines):
    """Named binds, each with the words after its address; yields the port of each."""
    ports = {name: number for number, name in enumerate(lines, FIRST)}
    file = directory / "members.cfg"
    file.write_text(_CONFIGURATION + "".join(_frontend(name, ports[name], words) for name, words in lines.items()))
    with subprocess.Popen(["haproxy", "-db", "-f", str(file)], cwd=directory) as process:
        try:
            for port in ports.values():
                _await(port)
            yield ports
        finally:
            process.kill()


def _frontend(name, port, words):
    headers = "".join(f" {header}=%[req.hdr(x-ssl-{header})]" for header in _HEADERS)
    answer = f'http-request return status 200 content-type text/plain lf-string "member={name} {_ANSWER}{headers}"'
    return f"frontend {name}\n    bind {ADDRESS}:{port} {words}\n    {answer}\n"


_HEADERS = ("client-verify", "client-has-cert", "client-dn", "client-cn", "issuer", "client-sha1", "client-not-after")


def _await(port):
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((ADDRESS, port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "the members do not listen"
            time.sleep(0.02)


def learnt(answer):
    """What a member said, by name."""
    return dict(word.split("=", 1) for word in answer.split(" ") if "=" in word)
