"""What OpenSSL makes of a list of ciphers."""

from lictor.config.opts import STRONG_CIPHERS, TLS_VERSIONS
from lictor.model import ciphers


def test_the_strong_list_is_all_known_and_selects_itself() -> None:
    names = STRONG_CIPHERS.split(":")
    assert ciphers.unknown(STRONG_CIPHERS) == ()
    assert sorted(ciphers.selected(STRONG_CIPHERS)) == sorted(names)


def test_groups_select_what_is_in_them() -> None:
    chosen = ciphers.selected("ECDHE+AESGCM:!ECDSA")
    assert set(chosen) == {"ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"}


def test_unknown_names_are_told_and_taking_them_out_is_harmless() -> None:
    assert ciphers.unknown("HIGH:NONSENSE:ECDHE+NONSENSE:@NONSENSE:!NONSENSE:-X:+Y") == (
        "NONSENSE", "ECDHE+NONSENSE", "@NONSENSE",
    )  # fmt: skip
    assert ciphers.unknown("ALL@STRENGTH:@SECLEVEL=2") == ()


def test_suites_of_tls_1_3_are_chosen_by_name_only() -> None:
    assert ciphers.selected("TLS_AES_128_GCM_SHA256") == ("TLS_AES_128_GCM_SHA256",)
    assert not set(ciphers.selected("HIGH")) & set(ciphers.TLS13_SUITES)
    assert ciphers.selected("AES128-SHA:!AES") == ()


def test_versions_are_those_that_are_compiled_in() -> None:
    assert ciphers.offers_version("TLSv1.3") and ciphers.offers_version("TLSv1.2")
    assert set(TLS_VERSIONS) == set(ciphers._VERSIONS)
