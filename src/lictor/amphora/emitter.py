"""The one place between values and HAProxy configuration text.

Lines are made of words, and a word is made by one of the functions below, each of which takes one kind of value and
refuses what is not of that kind. So whatever a user wrote is one word of one line, never syntax: in HAProxy's own
terms (configuration manual, 2.2 "Quoting and escaping"), users' strings stand in strong quotes, in which nothing is
interpreted, and bytes that have no place in a line (control characters, line ends, NUL) are refused.
"""

import ipaddress
import re
from collections.abc import Iterable

from lictor import wire


class Unsafe(ValueError):
    """A value that cannot stand in a configuration; the message says what it was to be, and what it is."""


class Word(str):
    """One word of a configuration line, safe as it stands. Only this module makes them."""

    __slots__ = ()


_KEYWORD = re.compile(r"[A-Za-z0-9._:/%,!{}\[\]()-]+")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,253}[A-Za-z0-9])?\.?")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # all but the tab
# RFC 3986 allows less; what counts is that nothing ends the request target (RFC 9112, section 3).
_TARGET = re.compile(r"/[\x21-\x7e]{0,4095}")
_CIPHERS = re.compile(r"[A-Za-z0-9+!:@=_.-]{1,2100}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,255}")  # RFC 9110, 5.6.2
_COOKIE_NAME = re.compile(r"[^\s,;\\]{1,255}")


def keywords(text: str) -> list[Word]:
    """HAProxy's own words, written by us in the renderers: ``keywords("option httpchk")``. Never a user's."""
    return [_checked(_KEYWORD, word, "a keyword") for word in text.split(" ")]


def identifier(text: str) -> Word:
    """The name of a section, server or table: letters, digits, ``_ . : -`` (manual, 2.1)."""
    return _checked(_IDENTIFIER, text, "a name")


def number(value: int, low: int = 0, high: int = 2**31 - 1) -> Word:
    """A whole number between ``low`` and ``high``."""
    if type(value) is not int or not low <= value <= high:
        raise Unsafe(f"not a whole number from {low} to {high}: {value!r}")
    return Word(value)


MAX_MILLISECONDS = 24 * 86400 * 1000
"""The longest time that HAProxy can count, rounded down to days: 2^31 ms (manual, 2.5 "Time format")."""


def milliseconds(value: int) -> Word:
    """A duration in milliseconds. Longer ones than HAProxy can count become the longest."""
    return number(min(value, MAX_MILLISECONDS) if type(value) is int else value)


def timeout(value: int) -> Word:
    """A time limit in milliseconds, 0 for none: HAProxy warns of limits that are not set, so none is the longest."""
    return milliseconds(value or MAX_MILLISECONDS)


def address(text: str) -> Word:
    """An IP address as ``addr`` takes it: IPv6 in brackets, without which its last group would be a port."""
    host = _ip(text)
    return Word(f"[{host}]" if host.version == 6 else host)


def bare_address(text: str) -> Word:
    """An IP address without brackets, as keepalived and nftables take it."""
    return Word(_ip(text))


def endpoint(text: str, port: int) -> Word:
    """``address:port``, as ``bind`` takes it."""
    return Word(f"{address(text)}:{number(port, 1, 65535)}")


def network(text: str) -> Word:
    """A range of addresses in CIDR notation; bits of the host part are dropped."""
    try:
        return Word(ipaddress.ip_network(text, strict=False))
    except ValueError as error:
        raise Unsafe(f"not a range of addresses: {text!r} ({error})") from None


def quoted(text: str) -> Word:
    """A user's string, in strong quotes."""
    return Word(wire.quoted(printable(text)))


def printable(text: str) -> str:
    """The text as it is, if it has no control characters other than tabs."""
    if not isinstance(text, str) or _CONTROL.search(text):
        raise Unsafe(f"not a string of printable characters: {text!r}")
    return text


def log_format(text: str) -> Word:
    """A user's string where HAProxy takes a log-format (manual, 8.2.4), in which ``%`` would start a variable."""
    return quoted(text.replace("%", "%%"))


def host_name(text: str) -> Word:
    """A DNS name; it needs no quotes, so it can be passed to the runtime API as well."""
    return _checked(_HOST, text, "a DNS name")


def cipher_list(text: str) -> Word:
    """Ciphers in OpenSSL's notation (reference, 1.7); they need no quotes, which the runtime API would not take."""
    return _checked(_CIPHERS, text, "a list of ciphers")


def request_target(text: str) -> Word:
    """The path and query of an HTTP request: from ``/`` on, visible ASCII only."""
    if not isinstance(text, str) or not _TARGET.fullmatch(text):
        raise Unsafe(f"not a URL path of visible ASCII characters: {text!r}")
    return quoted(text)


def cookie_fetch(fetch: str, name: str) -> Word:
    """``req.cook(NAME)``: a cookie's value, by a user's name for it (reference, 1.8: no white space, ``, ; \\``).

    The argument in parentheses is parsed once more, so it has quotes of its own (manual, 2.2).
    """
    inner = _checked(_COOKIE_NAME, name, "a cookie's name").replace('"', r"\"")
    return quoted(f'{_checked(_KEYWORD, fetch, "a keyword")}("{inner}")')


def named_fetch(fetch: str, name: str) -> Word:
    """``req.hdr(NAME)`` and its like: a value by a user's name for it, of letters, digits and ``!#$%&'*+-.^_`|~``."""
    inner = _checked(_TOKEN, name, "the name of a header or field")
    return quoted(f'{_checked(_KEYWORD, fetch, "a keyword")}("{inner}")')


def codes(text: str) -> Word:
    """HTTP status codes as the API takes them, ``200``, ``200, 202`` or ``200-204`` (reference, 1.10)."""
    parts = [[int(code) for code in part.split("-")] for part in _code_list(text)]
    return Word(",".join("-".join(str(code) for code in sorted(part)) for part in parts))


def _code_list(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[0-9]{3}(-[0-9]{3})?", part) for part in parts):
        raise Unsafe(f"not HTTP status codes (200, or 200,202, or 200-204): {text!r}")
    return parts


def line(*words: Word | Iterable[Word]) -> str:
    """One indented line of a section. Takes words and sequences of words."""
    return f"    {joined(*words)}"


def header(*words: Word | Iterable[Word]) -> str:
    """The line that opens a section."""
    return joined(*words)


def joined(*words: Word | Iterable[Word]) -> str:
    """Words one after another, with a space between."""
    flat: list[Word] = []
    for word in words:
        flat.extend([word] if isinstance(word, Word) else word)
    if not all(isinstance(word, Word) for word in flat):
        raise Unsafe(f"not made by the emitter: {flat!r}")
    return " ".join(flat)


def _checked(pattern: re.Pattern[str], text: str, kind: str) -> Word:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise Unsafe(f"not {kind}: {text!r}")
    return Word(text)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        host = ipaddress.ip_address(text)
    except ValueError:
        raise Unsafe(f"not an IP address: {text!r}") from None
    if isinstance(host, ipaddress.IPv6Address) and host.scope_id:
        raise Unsafe(f"not an IP address without a zone: {text!r}")
    return host
