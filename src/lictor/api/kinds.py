"""The kinds of scalar values that requests are made of.

msgspec checks types and ranges; what it cannot know stands in ``Meta.extra`` (``parse``: returns the canonical form, or
raises ValueError). ``Meta.description`` completes "Value should be ..." in errors, ``Meta.extra_json_schema`` tells the
document of the API what ``parse`` looks at.
"""

import functools
import ipaddress
import re
import uuid
from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import Meta


def parse_uuid(value: str) -> str:
    """The usual spelling of a UUID (RFC 9562). Raises ValueError."""
    return str(uuid.UUID(value))


def parse_name(value: str) -> str:
    """A name as it stands in a path or as a marker. Raises ValueError for one that no database could hold."""
    if "\0" in value:
        raise ValueError("the character U+0000 (NUL) cannot be stored")
    return value


@functools.lru_cache(maxsize=1024)
def parse_address(value: str) -> str:
    """The canonical spelling of an IPv4 or IPv6 address. Raises ValueError.

    An IPv4 address in IPv6's clothes (``::ffff:192.0.2.1``) is undressed, as Linux would: or it would get past the
    comparisons with reserved addresses and VIPs.
    """
    address = ipaddress.ip_address(value)
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        raise ValueError("an address with a zone means something on one host only")
    return str(getattr(address, "ipv4_mapped", None) or address)


def check_address(value: str) -> str:
    """An address as it was written: clients of Octavia get theirs back unchanged. Raises ValueError.

    To be compared only after ``parse_address``. One in IPv6's clothes is undressed all the same.
    """
    plain = parse_address(value)
    return value if (":" in value) == (":" in plain) else plain


def parse_cidr(value: str) -> str:
    """A range of addresses with its host bits zeroed. Raises ValueError."""
    return str(ipaddress.ip_network(value, strict=False))


def parse_netmask(value: str) -> str:
    """The canonical spelling of a netmask in the form of an address. Raises ValueError."""
    address = ipaddress.ip_address(parse_address(value))
    zeros = int(address) ^ (2**address.max_prefixlen - 1)
    if zeros & (zeros + 1):
        raise ValueError("the ones of a netmask come before its zeros")
    return str(address)


def _matching(pattern: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def parse(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(value)
        return value

    return parse


def _one_of(*values: float) -> Callable[[float], float]:
    def parse(value: float) -> float:
        if value not in values:
            raise ValueError(value)
        return value

    return parse


def _text(pattern: str, description: str, most: int, least: int = 0) -> Meta:
    """Text of a form: all of it must match ``pattern``, which Python and ECMA 262 read alike."""
    document = {"pattern": f"^({pattern})$"}
    parse = {"parse": _matching(pattern)}
    return Meta(
        min_length=least or None, max_length=most, description=description, extra=parse, extra_json_schema=document
    )


def _plain(description: str, most: int, least: int = 0) -> Meta:
    """Any text without NUL, which PostgreSQL cannot store and ``lictor.api.body`` refuses."""
    document = {"pattern": _NO_NUL}
    return Meta(min_length=least or None, max_length=most, description=description, extra_json_schema=document)


# White space and control characters, by name: Python's \s and that of ECMA 262 are not the same.
_SPACE = r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_NO_NUL = r"^[^\x00]*$"
_IP = {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

_URI = r"[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2}"  # RFC 3986: unreserved, sub-delims and pct-encoded
_URL = (
    rf"[Hh][Tt][Tt][Pp][Ss]?://(({_URI}|:)*@)?(({_URI})+|\[[0-9A-Fa-f:.]+\])(:[0-9]{{0,5}})?"
    rf"(/({_URI}|[:@/])*)?(\?({_URI}|[:@/?])*)?(#({_URI}|[:@/?])*)?"
)

Name = Annotated[str, _plain("text of at most 255 characters", 255)]
Label = Annotated[str, _plain("text of 1 to 255 characters", 255, 1)]
PathLabel = Annotated[str, _text(r"[^/\x00]+", "text of 1 to 255 characters without /", 255, 1)]
ProfileData = Annotated[str, _plain("a JSON object in text form, of at most 4096 characters", 4096)]
Reference = Annotated[str, _plain("a reference of at most 255 characters", 255)]
Project = Annotated[str, _plain("a project id of 1 to 36 characters", 36, 1)]
Tag = Annotated[str, _plain("a tag of at most 255 characters", 255)]
Uuid = Annotated[str, Meta(description="a UUID", extra={"parse": parse_uuid}, extra_json_schema={"format": "uuid"})]
Address = Annotated[
    str, Meta(description="an IPv4 or IPv6 address", extra={"parse": parse_address}, extra_json_schema=_IP)
]
AddressAsWritten = Annotated[
    str, Meta(description="an IPv4 or IPv6 address", extra={"parse": check_address}, extra_json_schema=_IP)
]
Cidr = Annotated[
    str,
    Meta(
        description="a range of addresses such as 192.0.2.0/24",
        extra={"parse": parse_cidr},
        extra_json_schema={"format": "cidr"},
    ),
]
Netmask = Annotated[
    str,
    Meta(
        description="a netmask such as 255.255.255.0",
        extra={"parse": parse_netmask},
        extra_json_schema={"format": "netmask"},
    ),
]
Port = Annotated[int, Meta(ge=1, le=65535, description="a whole number from 1 to 65535")]
Weight = Annotated[int, Meta(ge=0, le=256, description="a whole number from 0 to 256")]
Retries = Annotated[int, Meta(ge=1, le=10, description="a whole number from 1 to 10")]
Limit = Annotated[int, Meta(ge=-1, le=2_000_000_000, description="a whole number from -1 (no limit) to 2000000000")]
Seconds = Annotated[int, Meta(ge=0, le=2**31 - 1, description="a whole number of seconds, 0 or more")]
MaxAge = Annotated[int, Meta(ge=0, le=2**31 - 1, description="a whole number of seconds, 0 or more")]
Milliseconds = Annotated[
    int, Meta(ge=0, le=2_073_600_000, description="a whole number of milliseconds from 0 to 2073600000")
]
ConnectionLimit = Annotated[int, Meta(ge=-1, le=2**31 - 1, description="a whole number from -1 to 2147483647")]
Persistence = Annotated[int, Meta(ge=0, le=2**31 - 1, description="a whole number of seconds, 0 or more")]
UrlPath = Annotated[
    str,
    _text(
        r"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*", "a URL path that begins with / (at most 255 characters of RFC 3986)", 255
    ),
]
Url = Annotated[str, _text(_URL, "an http or https URL (at most 255 characters of RFC 3986)", 255)]
OneLine = Annotated[str, _text(r"[^\r\n\x00]*", "one line of text of at most 255 characters", 255)]
Position = Annotated[int, Meta(ge=1, le=2**31 - 1, description="a whole number from 1 to 2147483647")]
ExpectedCodes = Annotated[
    str,
    _text(
        r"[0-9]{3}([ \t]*,[ \t]*[0-9]{3})*|[0-9]{3}-[0-9]{3}",
        "one code (200), a list (200,202) or a range (200-204)",
        64,
    ),
]
HttpVersion = Annotated[
    float, Meta(description="1.0 or 1.1", extra={"parse": _one_of(1.0, 1.1)}, extra_json_schema={"enum": [1.0, 1.1]})
]
DomainName = Annotated[str, _text(rf"({_LABEL}\.)*{_LABEL}\.?", "a domain name of 1 to 255 characters", 255, 1)]
Ciphers = Annotated[str, _text(r"[A-Za-z0-9\-+!:@=_.]+", "a list of ciphers as OpenSSL writes it", 2048)]
CookieName = Annotated[str, _text(rf"[^{_SPACE},;\\]+", "a cookie's name without white space , ; and \\", 255, 1)]
InsertHeaders = Annotated[
    dict[str, Name],
    Meta(
        description="an object whose values are texts of at most 255 characters",
        extra_json_schema={"propertyNames": {"pattern": _NO_NUL}},
    ),
]
TlsVersion = Literal["SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
Alpn = Literal["h2", "http/1.1", "http/1.0"]
