"""The agent's own certificate, and whose clients it obeys: as it was told at birth, until it is told otherwise.

What it is told later is kept in one file of the working directory, a tmpfs like the papers of birth, so that it is
there in full or not at all, and outlives the agent but not the amphora.
"""

import os
import pathlib
import ssl
import threading

import msgspec

from lictor import wire
from lictor.agent.errors import Broken, Fenced, Refused, log
from lictor.agent.settings import Settings
from lictor.agent.store import replace

_FILE = "papers.json"


class Papers:
    """Keeps the papers in use. ``context`` is for the next connection; those that are open keep theirs."""

    def __init__(self, settings: Settings) -> None:
        """Raises ``OSError`` and ``ValueError`` if there are none that can be used."""
        self._amphora_id = settings.amphora_id
        self._file = settings.home / _FILE
        self._lock = threading.Lock()
        self._epoch = 0
        self.context = self._remembered() or _context(_of_birth(settings))

    def take(self, papers: wire.Papers, epoch: int) -> None:
        """Show these from now on. ``epoch`` is that of the state applied: older ones are refused.

        Raises ``Refused``, ``Fenced`` or ``Broken``; then all is as before.
        """
        with self._lock:
            if papers.epoch < max(epoch, self._epoch):
                raise Fenced(
                    f"papers of epoch {papers.epoch} are older than what is applied: {max(epoch, self._epoch)}"
                )
            context = self._checked(papers)
            try:
                # On file before in use: whoever sees the new certificate can count on it.
                replace(self._file, msgspec.json.encode(papers).decode())
            except OSError as error:
                raise Broken(f"this amphora cannot keep the papers: {error}") from None
            self.context, self._epoch = context, papers.epoch
        log("shows a new certificate from now on")

    def _remembered(self) -> ssl.SSLContext | None:
        try:
            papers = msgspec.json.decode(self._file.read_bytes(), type=wire.Papers)
            context = _context(papers)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log(f"the papers on file cannot be used, going on with those of birth: {error}")
            return None
        self._epoch = papers.epoch
        return context

    def _checked(self, papers: wire.Papers) -> ssl.SSLContext:
        if papers.amphora_id != self._amphora_id or papers.version != wire.VERSION:
            raise Refused(f"papers of amphora {papers.amphora_id}, version {papers.version}, are not for this one")
        try:
            _prove(papers)
            return _context(papers)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise Refused(f"the papers cannot be used: {error}") from None


def _of_birth(settings: Settings) -> wire.Papers:
    return wire.Papers(
        amphora_id=settings.amphora_id,
        certificate=pathlib.Path(settings.certificate).read_text(),
        private_key=pathlib.Path(settings.private_key).read_text(),
        client_ca=pathlib.Path(settings.client_ca).read_text(),
    )


def _context(papers: wire.Papers) -> ssl.SSLContext:
    """TLS 1.2 or later; clients need a certificate of the CA that is good for a client (RFC 5280, extendedKeyUsage)."""
    made = _server(papers)
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(cadata=papers.client_ca)
    # Session tickets would only cost: each delivery is a connection of its own.
    made.options |= ssl.OP_NO_TICKET
    made.num_tickets = 0
    return made


def _server(papers: wire.Papers) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL reads a chain from a path only: this one is in memory.
    descriptor = os.memfd_create("papers", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{papers.private_key}\n{papers.certificate}")
        file.flush()
        made.load_cert_chain(f"/proc/self/fd/{descriptor}")
    return made


def _prove(papers: wire.Papers) -> None:
    """Shake hands with ourselves as the controller will: of its authority, valid today, and this amphora's by name.

    Raises ``ssl.SSLError`` with the reason. Whoever took a certificate that the controller does not accept would never
    be told a better one.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=papers.client_ca)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(back, there, server_hostname=papers.amphora_id)
    answering = _server(papers).wrap_bio(there, back, server_side=True)
    for side in (asking, answering):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    asking.do_handshake()
