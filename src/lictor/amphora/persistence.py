"""Session persistence in HAProxy's words.

None of it is written on server lines, so that members stay data that can change while HAProxy runs. (HAProxy's own
``cookie`` option needs a word on each server line, which ``add server`` of HAProxy 2.6 does not take.)
"""

from collections.abc import Callable

from lictor.amphora import tree
from lictor.amphora.emitter import cookie_fetch, keywords, line, quoted
from lictor.model import Pool

# Reference, 4.4: Octavia's tables have the same size and length of keys. When one is full the oldest entries go.
_BY_ADDRESS = line(keywords("stick-table type ipv6 size 10k"))
_BY_COOKIE = line(keywords("stick-table type string len 64 size 10k"))


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
        line(
            keywords("http-response add-header Set-Cookie"), quoted("SRV=%[srv_name]; path=/"), keywords("unless stays")
        ),
        # What carries a cookie for one client must not be kept in a cache for others.
        line(keywords("http-response add-header Cache-Control private unless stays")),
    ]


_LINES: dict[str, Callable[[str], list[str]]] = {
    "SOURCE_IP": _source_ip,
    "APP_COOKIE": _app_cookie,
    "HTTP_COOKIE": _http_cookie,
}
