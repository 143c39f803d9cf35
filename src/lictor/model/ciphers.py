"""What the data plane's OpenSSL makes of a list of ciphers, and which versions of TLS it speaks.

The OpenSSL asked is the one that this Python is linked with: on the distributions that amphorae are made of, HAProxy is
linked with the same. It only answers for TLS 1.2 and older; the suites of TLS 1.3 are a closed list (RFC 8446, B.4).
"""

import functools
import re
import ssl
from collections.abc import Collection
from typing import Final

TLS13_SUITES: Final = (
    "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256", "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256",
)  # fmt: skip

DEFAULT_SUITES: Final = TLS13_SUITES[:3]
"""What OpenSSL takes for TLS 1.3 if nothing else is said (ciphers(1))."""

_DIRECTIVE = re.compile(r"@STRENGTH|@SECLEVEL=[0-5]")
_VERSIONS: Final = {
    "SSLv3": ssl.HAS_SSLv3, "TLSv1": ssl.HAS_TLSv1, "TLSv1.1": ssl.HAS_TLSv1_1, "TLSv1.2": ssl.HAS_TLSv1_2,
    "TLSv1.3": ssl.HAS_TLSv1_3,
}  # fmt: skip
_OLDER: Final = {
    "SSLv3": {"SSLv3"}, "TLSv1": {"SSLv3", "TLSv1.0"}, "TLSv1.1": {"SSLv3", "TLSv1.0"},
    "TLSv1.2": {"SSLv3", "TLSv1.0", "TLSv1.2"},
}  # fmt: skip
"""The ages of ciphers that a version of TLS can use, by OpenSSL's names."""


def offers_version(version: str) -> bool:
    """Whether this version of TLS, by Octavia's name, can be spoken at all."""
    return _VERSIONS[version]


def gap(versions: Collection[str]) -> str:
    """A version of TLS that is missing between others; empty if there is none."""
    places = [place for place, version in enumerate(_VERSIONS) if version in versions]
    inside = list(_VERSIONS)[places[0] : places[-1]] if places else []
    return next((version for version in inside if version not in versions), "")


@functools.lru_cache(maxsize=256)
def unknown(ciphers: str) -> tuple[str, ...]:
    """The elements of a list in OpenSSL's notation that select nothing.

    What is taken out (``!RC4``) may be unknown: lists that were written for many an OpenSSL do so, and it harms nobody.
    """
    return tuple(element for element in _elements(ciphers) if not _means_something(element))


@functools.lru_cache(maxsize=256)
def selected(ciphers: str) -> tuple[str, ...]:
    """The ciphers that a list comes to, by name; none if it takes out all that it puts in."""
    older, suites = split(ciphers)
    return (*suites, *_select(older))


@functools.lru_cache(maxsize=256)
def split(ciphers: str) -> tuple[str, tuple[str, ...]]:
    """What of a list is for TLS 1.2 and older, in the same notation, and the suites of TLS 1.3.

    The first is empty if it would select nothing, and OpenSSL would refuse it.
    """
    older = ":".join(element for element in _elements(ciphers) if element not in TLS13_SUITES)
    suites = dict.fromkeys(element for element in _elements(ciphers) if element in TLS13_SUITES)
    return (older if _select(older) else ""), tuple(suites)


def spoken(ciphers: str | None, versions: Collection[str]) -> list[str]:
    """Those of the versions of TLS that can be spoken with these ciphers, oldest first.

    A list without a suite of TLS 1.3 says nothing about that version, as in OpenSSL, which has its own suites for it.
    """
    older, _suites = split(ciphers) if ciphers else ("DEFAULT", ())
    ages = set(_select(older).values())
    return [
        version for version in _VERSIONS if version in versions and (version == "TLSv1.3" or ages & _OLDER[version])
    ]


def _elements(ciphers: str) -> list[str]:
    # "ALL@STRENGTH" is two elements, as OpenSSL reads it.
    return [element for part in ciphers.split(":") for element in re.split(r"(?=@)", part) if element]


def _means_something(element: str) -> bool:
    if element in TLS13_SUITES or element[0] in "!-+":
        return True
    if element[0] == "@":
        return _DIRECTIVE.fullmatch(element) is not None
    return bool(_select(element))


def _select(ciphers: str) -> dict[str, str]:
    """What OpenSSL makes of it, but for the suites of TLS 1.3: each cipher's name, and the version it came with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError:
        return {}
    return {each["name"]: each["protocol"] for each in context.get_ciphers() if each["name"] not in TLS13_SUITES}
