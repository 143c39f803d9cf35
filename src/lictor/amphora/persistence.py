"""Session persistence in HAProxy's words.

None of it is written on server lines, so that members stay data that can change while HAProxy runs. (HAProxy's own
``cookie`` option needs a word on each server line, which ``add server`` of HAProxy 2.6 does not take.)
"""

from collections.abc import Callable

from lictor.amphora import tree
from lictor.amphora.emitter import cookie_fetch, endpoint, header, identifier, keywords, line, quoted
from lictor.amphora.pair import PEERS_PORT, Pair
from lictor.model import Pool

# Reference, 4.4: Octavia's tables have the same size and length of keys. When one is full the oldest entries go; what
# nobody used for a day goes anyway, so that a table shows who is served, not who ever was.
_TABLE = "size 10k expire 24h peers lictor"
_BY_ADDRESS = line(keywords(f"stick-table type ipv6 {_TABLE}"))
_BY_COOKIE = line(keywords(f"stick-table type string len 64 {_TABLE}"))

_ALONE = ("local", "127.0.0.1")


def peers(backends: list[list[str]], pair: Pair | None = None) -> list[list[str]]:
    """The sections through which stick tables outlive a reload (manual, 3.5); none where no backend has a table.

    A reloaded HAProxy hears from the one before what the tables hold; in a pair, each from the other all the time.
    """
    if not any(each in (_BY_ADDRESS, _BY_COOKIE) for lines in backends for each in lines):
        return []
    both = [(each.amphora_id, each.address) for each in (pair.own, pair.other)] if pair else [_ALONE]
    local, _ = both[0]
    return [
        [header(*keywords("global")), line(keywords("localpeer"), identifier(local))],
        [header(*keywords("peers lictor")), *(_peer(*each) for each in sorted(both))],
    ]


def _peer(name: str, host: str) -> str:
    return line(keywords("peer"), identifier(name), endpoint(host, PEERS_PORT))


def lines(pool: Pool, mode: str) -> list[str]:
    """The backend's part of a pool's session persistence. Raises ``tree.Unsupported``."""
    wanted = pool.session_persistence
    if not wanted:
        return []
    kind = str(wanted.get("type"))
    if kind not in _LINES:
        raise tree.Unsupported(f"Pool {pool.id}: session_persistence {kind} is not supported.")
    # A pool may serve HTTP and TCP listeners at once (PROXY); where there are no requests there are no cookies.
    if mode != "http" and kind != "SOURCE_IP":
        return []
    return _LINES[kind](str(wanted.get("cookie_name") or ""))


def _source_ip(_cookie: str) -> list[str]:
    return [_BY_ADDRESS, line(keywords("stick on src"))]


def _app_cookie(cookie: str) -> list[str]:
    return [
        _BY_COOKIE,
        line(keywords("stick store-response"), cookie_fetch("res.cook", cookie)),
        line(keywords("stick match"), cookie_fetch("req.cook", cookie)),
    ]


def _http_cookie(_cookie: str) -> list[str]:
    """A cookie ``SRV`` of ours that names the member, as in Octavia. A member that is gone or down is passed over."""
    return [
        line(keywords("http-request set-var(txn.asked) req.cook(SRV)")),
        line(keywords("use-server %[var(txn.asked)] if { var(txn.asked) -m found }")),
        line(keywords("http-response set-var(txn.served) srv_name")),
        line(keywords("acl stays var(txn.asked),strcmp(txn.served) eq 0")),
        # No script needs it; and what was given over TLS is not to be shown to anybody who listens in elsewhere.
        line(
            keywords("http-response add-header Set-Cookie"),
            quoted("SRV=%[srv_name]; path=/; HttpOnly"),
            keywords("if !stays !{ ssl_fc }"),
        ),
        line(
            keywords("http-response add-header Set-Cookie"),
            quoted("SRV=%[srv_name]; path=/; HttpOnly; Secure"),
            keywords("if !stays { ssl_fc }"),
        ),
        # What carries a cookie for one client must not be kept in a cache for others.
        line(keywords("http-response add-header Cache-Control private unless stays")),
    ]


_LINES: dict[str, Callable[[str], list[str]]] = {
    "SOURCE_IP": _source_ip,
    "APP_COOKIE": _app_cookie,
    "HTTP_COOKIE": _http_cookie,
}
