"""Versions of TLS, ciphers and ALPN: what users may choose, and what they get if they do not (reference, 1.7, 1.8)."""

from collections.abc import Mapping
from typing import Any

import falcon
from oslo_config import cfg

from lictor.api import errors
from lictor.config.opts import TLS_VERSIONS
from lictor.model import ciphers

CHOICES = ("tls_ciphers", "tls_versions", "alpn_protocols")
"""Attributes that listeners and pools share."""


def defaults(conf: cfg.ConfigOpts, kind: str) -> dict[str, Any]:
    """The choices of a ``listener`` or a ``pool`` with TLS that makes none."""
    options = conf.api_settings
    return {
        "tls_ciphers": options[f"default_{kind}_ciphers"],
        "tls_versions": list(options[f"default_{kind}_tls_versions"]),
        "alpn_protocols": list(options[f"default_{kind}_alpn_protocols"]),
    }


def check_options(conf: cfg.ConfigOpts) -> None:
    """Raises ``cfg.Error`` if users who choose nothing would get what nobody may choose."""
    for kind in ("listener", "pool"):
        try:
            check(conf, defaults(conf, kind))
            check_spoken(conf, defaults(conf, kind))
        except falcon.HTTPError as error:
            raise cfg.Error(f"[api_settings] default TLS choices of {kind}s: {error.description}") from None


def check(conf: cfg.ConfigOpts, values: Mapping[str, Any]) -> None:
    """Raises 400 for a choice that this deployment, or its OpenSSL, does not allow. What is absent or null is right."""
    if values.get("tls_ciphers") is not None:
        _check_ciphers(conf, values["tls_ciphers"])
    if values.get("tls_versions") is not None:
        _check_versions(conf, values["tls_versions"])
    if values.get("alpn_protocols") == []:
        raise _empty("alpn_protocols")


def _check_ciphers(conf: cfg.ConfigOpts, wanted: str) -> None:
    if unknown := ciphers.unknown(wanted):
        raise errors.validation(f"tls_ciphers: OpenSSL offers no {', '.join(unknown)}.")
    chosen = ciphers.selected(wanted)
    if not chosen:
        raise errors.validation("tls_ciphers: the list takes out every cipher that it puts in.")
    prohibited = set(conf.api_settings.tls_cipher_prohibit_list.split(":"))
    if banned := [name for name in chosen if name in prohibited]:
        raise errors.disabled_option("tls_ciphers", ", ".join(banned))


def _check_versions(conf: cfg.ConfigOpts, wanted: list[str]) -> None:
    if not wanted:
        raise _empty("tls_versions")
    if absent := [version for version in wanted if not ciphers.offers_version(version)]:
        raise errors.validation(f"tls_versions: OpenSSL does not speak {', '.join(absent)}.")
    minimum = conf.api_settings.minimum_tls_version
    allowed = TLS_VERSIONS[TLS_VERSIONS.index(minimum) if minimum else 0 :]
    if old := [version for version in wanted if version not in allowed]:
        raise errors.validation(f"tls_versions: {', '.join(old)} is below the minimum here, which is {minimum}.")

    if missing := ciphers.gap(wanted):
        raise errors.validation(f"tls_versions: they may have no gap, but {missing} is missing.")


def check_spoken(conf: cfg.ConfigOpts, values: Mapping[str, Any]) -> None:
    """Raises 400 if an object that will speak TLS with these choices could not, or only as nobody may."""
    listed, versions = values["tls_ciphers"], values["tls_versions"]
    spoken = ciphers.spoken(listed, versions)
    if not spoken:
        raise errors.validation(f"tls_ciphers: none of them goes with tls_versions {', '.join(versions)}.")
    if "TLSv1.3" in spoken and not ciphers.split(listed)[1]:
        prohibited = set(conf.api_settings.tls_cipher_prohibit_list.split(":"))
        if banned := [suite for suite in ciphers.DEFAULT_SUITES if suite in prohibited]:
            words = f"{', '.join(banned)}, which TLSv1.3 comes with if tls_ciphers names no suite of it"
            raise errors.disabled_option("tls_ciphers", words)


def _empty(attribute: str) -> Exception:
    return errors.validation(f"{attribute}: name at least one, or leave it out to have the default.")
