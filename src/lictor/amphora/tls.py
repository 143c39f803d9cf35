"""TLS in HAProxy's words: with clients on ``bind`` lines, with members on ``server`` lines, and the headers that go
with it.

File names are bare: the agent's global section says where they are (manual, 3.1 "crt-base" and "ca-base").
"""

from lictor.amphora import certificates, tree
from lictor.amphora.emitter import Word, cipher_list, header, host_name, identifier, keywords, line, number, quoted
from lictor.model import HealthMonitor, Listener, Pool, ciphers

_VERSIONS = {"SSLv3": "SSLv3", "TLSv1": "TLSv1.0", "TLSv1.1": "TLSv1.1", "TLSv1.2": "TLSv1.2", "TLSv1.3": "TLSv1.3"}
_ALPN = ("h2", "http/1.1", "http/1.0")
_VERIFY = {"OPTIONAL": keywords("verify optional"), "MANDATORY": keywords("verify required")}

# Reference, 1.7: what a listener may tell members of a client's certificate.
_HEADERS = {
    "X-SSL-Client-Verify": "%[ssl_c_verify]",
    "X-SSL-Client-Has-Cert": "%[ssl_c_used]",
    "X-SSL-Client-DN": "%[ssl_c_s_dn]",
    "X-SSL-Client-CN": "%[ssl_c_s_dn(cn)]",
    "X-SSL-Issuer": "%[ssl_c_i_dn]",
    "X-SSL-Client-SHA1": "%[ssl_c_sha1,hex]",
    "X-SSL-Client-Not-Before": "%[ssl_c_notbefore]",
    "X-SSL-Client-Not-After": "%[ssl_c_notafter]",
}

WITHOUT_RESUMPTION = [header(*keywords("global")), line(keywords("tune.ssl.cachesize 0"))]
"""What HAProxy needs where clients' certificates are checked.

A client that resumes a session is not checked again, also not against a newer revocation list (tried with 2.6.12): so
there is nothing to resume, neither a session of the cache nor a ticket (on ``bind`` lines).
"""

_HOST = "req.hdr(host),host_only"


def bind_options(listener: Listener) -> list[Word]:
    """What follows the address on a listener's ``bind`` lines; nothing if it does not speak TLS.

    Raises ``tree.Unsupported``.
    """
    if not certificates.terminates(listener):
        return []
    words = [*keywords("ssl crt-list"), certificates.crt_list(listener), *_client_checks(listener)]
    return [*words, *_alpn(listener.alpn_protocols), *_strength(listener)]


def checks_clients(listener: Listener) -> bool:
    """Whether a listener asks its clients for certificates."""
    asked = listener.client_authentication in _VERIFY and bool(listener.client_ca_tls_container_ref)
    return asked and certificates.terminates(listener)


def _client_checks(listener: Listener) -> list[Word]:
    if not checks_clients(listener):
        return []
    words = [*keywords("ca-file"), certificates.authority(listener), *_VERIFY[listener.client_authentication]]
    words += keywords("no-tls-tickets")
    if listener.client_crl_container_ref:
        words += [*keywords("crl-file"), certificates.revocations(listener)]
    return words


def frontend_lines(listener: Listener) -> list[str]:
    """What a listener that speaks TLS does to HTTP: strict transport security, and headers about the client."""
    if listener.protocol != "TERMINATED_HTTPS":
        return []
    wanted = {name for name, value in (listener.insert_headers or {}).items() if str(value).lower() == "true"}
    lines = [
        line(keywords("http-request set-header"), identifier(name), keywords(value))
        for name, value in _HEADERS.items()
        if name in wanted
    ]
    return [*_hsts(listener), *lines]


def _hsts(listener: Listener) -> list[str]:
    """RFC 6797: in every answer, HAProxy's own among them; to the semicolon as Octavia's, which clients compare."""
    if listener.hsts_max_age is None:
        return []
    value = f"max-age={number(listener.hsts_max_age)};"
    value += " includeSubDomains;" if listener.hsts_include_subdomains else ""
    value += " preload;" if listener.hsts_preload else ""
    return [line(keywords("http-after-response set-header Strict-Transport-Security"), quoted(value))]


def backend_lines(pool: Pool, mode: str) -> list[str]:
    """What a backend has to know of a request before it speaks TLS: the name that its client asks for."""
    if not pool.tls_enabled or mode != "http":
        return []
    # A literal address is no name (RFC 6066, section 3).
    named = keywords(f"unless {{ {_HOST} -m ip 0.0.0.0/0 }} or {{ {_HOST} -m beg [ }}")
    return [line(keywords(f"http-request set-var(txn.host) {_HOST}"), named)]


def server_options(pool: Pool, mode: str) -> list[Word]:
    """A server line's words for TLS, in the form that ``add server`` takes as well. Raises ``tree.Unsupported``."""
    if not pool.tls_enabled:
        return []
    words = keywords("ssl")
    if pool.tls_container_ref:
        words += [*keywords("crt"), certificates.certificate(pool)]
    words += _member_checks(pool)
    if mode == "http":
        # Whoever verifies members checks this name, too: it is the one that the client asked for.
        words += keywords("sni var(txn.host)")
    return [*words, *_alpn(_understood(pool, mode)), *_strength(pool), *_check_options(pool)]


def _member_checks(pool: Pool) -> list[Word]:
    if not pool.ca_tls_container_ref:
        return keywords("verify none")
    words = [*keywords("ca-file"), certificates.authority(pool), *keywords("verify required")]
    if pool.crl_container_ref:
        words += [*keywords("crl-file"), certificates.revocations(pool)]
    return words


def _understood(pool: Pool, mode: str) -> list[str]:
    """Where bytes pass through, whoever sent them cannot be told which protocol a member has chosen.

    So HTTP/2 is offered there only if nothing else is: then it is what clients are known to speak.
    """
    wanted = list(pool.alpn_protocols or [])
    return wanted if mode == "http" or wanted == ["h2"] else [each for each in wanted if each != "h2"]


def _check_options(pool: Pool) -> list[Word]:
    """How checks speak TLS with members: as the traffic does, but in HTTP/1 if the pool allows it, and by name."""
    monitor: HealthMonitor | None = tree.health_monitor(pool)
    if monitor is None:
        return []
    words = keywords("check-ssl") if monitor.type in ("HTTPS", "TLS-HELLO") else []
    # Said even where it is the same: a check that inherits h2 is answered, and does not understand (HAProxy 2.6.12).
    wanted = pool.alpn_protocols or []
    offered = [each for each in wanted if each != "h2"] or wanted
    words += [*keywords("check-alpn"), *keywords(",".join(offered))] if offered else []
    return words + ([*keywords("check-sni"), host_name(monitor.domain_name)] if monitor.domain_name else [])


def _alpn(wanted: list[str] | None) -> list[Word]:
    if not wanted:
        return []
    if unknown := set(wanted) - set(_ALPN):
        raise tree.Unsupported(f"alpn_protocols {sorted(unknown)} are not supported.")
    return [*keywords("alpn"), *keywords(",".join(wanted))]


def _strength(owner: Listener | Pool) -> list[Word]:
    """Ciphers and versions. HAProxy takes the suites of TLS 1.3 apart from the ciphers of older versions."""
    wanted = owner.tls_versions or ["TLSv1.2", "TLSv1.3"]
    spoken = ciphers.spoken(owner.tls_ciphers, wanted)
    if not spoken or ciphers.gap(wanted):
        raise tree.Unsupported(f"tls_versions {wanted} with tls_ciphers {owner.tls_ciphers} of {owner.id} do not go.")
    older, suites = ciphers.split(owner.tls_ciphers or "")
    words = []
    if older:
        words += [*keywords("ciphers"), cipher_list(_permitted(older, spoken))]
    if suites:
        words += [*keywords("ciphersuites"), cipher_list(":".join(suites))]
    first, last = _VERSIONS[spoken[0]], _VERSIONS[spoken[-1]]
    return [*words, *keywords(f"ssl-min-ver {first} ssl-max-ver {last}")]


def _permitted(older: str, versions: list[str]) -> str:
    """OpenSSL 3 speaks TLS 1.0 and 1.1 at security level 0 only, as they sign with SHA-1 (ciphers(1))."""
    outdated = not {"TLSv1.2", "TLSv1.3"}.issuperset(versions)
    return f"{older}:@SECLEVEL=0" if outdated and "@SECLEVEL" not in older else older
