"""Thousands of agents in one process: they send heartbeats, take what is delivered over mutual TLS, and can die.

    python -m tests.bench.simulator STATE_DIRECTORY HEALTH_PORT INTERVAL FLEET DEAD

FLEET is a file with a JSON list of ``fleet.Balancer``, DEAD one that comes later, with a list of amphorae that die.
They live at the addresses that ``fleet.address`` says, all of which lead to this host, and show certificates that the
deployment's own authority signs for them.
"""

import contextlib
import dataclasses
import functools
import http.client
import ipaddress
import pathlib
import socket
import ssl
import sys
import threading
import time

import msgspec

from lictor.amphora.keys import heartbeat_key, open_secret
from lictor.amphora.pki import Authority, _load
from lictor.wire import AGENT_PORT, DesiredState, Report, seal
from tests.bench import fleet

YEAR = 365 * 86400


@dataclasses.dataclass
class Agent:
    """One amphora's, and what it holds."""

    amphora_id: str
    balancer: fleet.Balancer | None
    boot_id: str = fleet.BOOT
    digest: str = fleet.DIGEST
    standby: bool = False


class Simulator:
    """All agents. Whoever is spoken to and not known has just been booted."""

    def __init__(self, state_directory: str, port: int, balancers: list[fleet.Balancer]) -> None:
        self.authority = Authority.open(pathlib.Path(state_directory) / "pki")
        self.secret = open_secret(pathlib.Path(state_directory))
        self.target = ("127.0.0.1", port)
        self.balancers = {each.id: each for each in balancers}
        self.agents = {
            amphora_id: Agent(amphora_id, each, standby=number > 0)
            for each in balancers
            for number, amphora_id in enumerate(each.amphorae)
        }
        self.dead: set[str] = set()
        self._of_address = {ipaddress.ip_address(fleet.address(each)): each for each in self.agents}

    def kill(self, amphora_ids: list[str]) -> None:
        """They say and answer nothing any more. The other one of the pair has the VIP."""
        self.dead |= set(amphora_ids)
        for each in amphora_ids:
            for other in self.agents[each].balancer.amphorae:
                if other not in self.dead:
                    self.agents[other].standby = False

    def beat(self, interval: float) -> None:
        """Send heartbeats for ever: those of each agent every ``interval`` seconds, spread over that time."""
        key = functools.lru_cache(maxsize=None)(functools.partial(heartbeat_key, self.secret))
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        round_of = 0
        while True:
            began, round_of = time.monotonic(), round_of + 1
            agents = list(self.agents.values())
            for number, agent in enumerate(agents):
                if number % 20 == 0:
                    time.sleep(max(0.0, began + interval * number / len(agents) - time.monotonic()))
                if agent.amphora_id not in self.dead and agent.balancer:
                    beat = fleet.beat(agent.balancer, agent.amphora_id, int(time.time() * 1000), round_of)
                    now = {"boot_id": agent.boot_id, "digest": agent.digest, "standby": agent.standby}
                    told = msgspec.structs.replace(beat, **now)
                    sender.sendto(seal(told, key(agent.amphora_id)), self.target)
            time.sleep(max(0.0, began + interval - time.monotonic()))

    def serve(self) -> None:
        """Answer deliveries for ever."""
        listener = socket.create_server(("::", AGENT_PORT), family=socket.AF_INET6, backlog=1024, dualstack_ipv6=True)
        while True:
            connection, _ = listener.accept()
            if self._of_address.get(ipaddress.ip_address(connection.getsockname()[0])) in self.dead:
                connection.close()
            else:
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.settimeout(10)
            names: list[str] = []
            with self._context(names).wrap_socket(connection, server_side=True) as tls:
                stream = tls.makefile("rb")
                request = stream.readline().decode()
                headers = http.client.parse_headers(stream)
                body = stream.read(int(headers.get("Content-Length") or 0))
                answer = msgspec.json.encode(self._answer(names[0], request, body))
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))

    def _context(self, names: list[str]) -> ssl.SSLContext:
        """One that shows the certificate of whom the client asks for."""

        def choose(tls, name, _context):
            names.append(name)
            tls.context = self._shown(name)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = choose
        return context

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - there is one simulator
    def _shown(self, amphora_id: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _load(context, self.authority.issue_server(amphora_id, YEAR))
        return context

    def _answer(self, amphora_id: str, request: str, body: bytes) -> Report:
        agent = self.agents.setdefault(amphora_id, Agent(amphora_id, None, f"boot-{amphora_id[:8]}", "", True))
        # A new certificate is as good as the one that it shows.
        if request.startswith("PUT /1.0/state"):
            state = msgspec.json.decode(body, type=DesiredState)
            agent.digest = state.digest()
            agent.balancer = self.balancers.get(state.loadbalancer_id)
        number = int(time.time() * 1000)
        return Report(
            amphora_id=amphora_id,
            boot_id=agent.boot_id,
            sequence=number,
            digest=agent.digest,
            haproxy_running=bool(agent.digest),
            standby=agent.standby,
        )


def main(state_directory, port, interval, fleet_file, dead_file):
    """Run for ever."""
    balancers = msgspec.json.decode(pathlib.Path(fleet_file).read_bytes(), type=list[fleet.Balancer])
    simulator = Simulator(state_directory, int(port), balancers)
    for target, arguments in ((simulator.beat, [float(interval)]), (simulator.serve, [])):
        threading.Thread(target=target, args=arguments, daemon=True).start()
    print("up", flush=True)
    while True:
        time.sleep(0.05)
        if pathlib.Path(dead_file).exists():
            simulator.kill(msgspec.json.decode(pathlib.Path(dead_file).read_bytes()))
            pathlib.Path(dead_file).unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
