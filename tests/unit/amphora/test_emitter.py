"""The emitter: what may stand in a configuration, and what may not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor.amphora import emitter
from lictor.amphora.emitter import Unsafe, Word

from . import trees

HOSTILE = ["", " ", "a b", "a\nb", "a\tb", "a\0b", "a\rb", "'", '"', "$HOME", "#", "\\", "a;b", "é", "a'b", "\u2028"]


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\0b", "\x1b[0m", "\x7f", "\x85", "\u2028", "\ud800", None, 3])
def test_a_string_that_has_no_place_in_a_line_is_refused(text) -> None:
    with pytest.raises(Unsafe, match="not a string of printable characters"):
        emitter.quoted(text)


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cc", "Cs", "Zl", "Zp"])))
def test_every_other_string_is_one_word_and_reads_as_it_was_written(text: str) -> None:
    line = emitter.line(emitter.keywords("http-check send"), emitter.quoted(text), emitter.keywords("ver"))
    assert trees.tokens(line) == [["http-check", "send", text, "ver"]]


@settings(max_examples=50, deadline=None)
@given(text=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_a_log_format_never_starts_a_variable(text: str) -> None:
    [[word]] = trees.tokens(emitter.line(emitter.log_format(text)))
    assert word.replace("%%", "").count("%") == 0
    assert word.replace("%%", "%") == text


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "make",
    [emitter.identifier, emitter.host_name, emitter.address, emitter.network, emitter.request_target, emitter.codes],
)
def test_hostile_strings_are_no_words_of_a_narrower_kind(make, text: str) -> None:
    with pytest.raises(Unsafe):
        make(text)


@pytest.mark.parametrize("text", ["", "a b", "a,b", "a;b", "a\\b", "a\nb", "a\x01", "a\x85", "a\xa0", "a" * 256, None])
def test_what_the_api_refuses_is_no_cookies_name(text) -> None:
    with pytest.raises(Unsafe):
        emitter.cookie_fetch("req.cook", text)


@pytest.mark.parametrize("value", [-1, 2**31, 1.5, "1", True, None])
def test_only_whole_numbers_in_range_are_numbers(value) -> None:
    with pytest.raises(Unsafe, match="not a whole number from 0 to 2147483647"):
        emitter.number(value)


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_only_ports_are_ports(port: int) -> None:
    with pytest.raises(Unsafe, match="from 1 to 65535"):
        emitter.endpoint("192.0.2.1", port)


@pytest.mark.parametrize(
    ("text", "word"),
    [("192.0.2.1", "192.0.2.1"), ("2001:DB8:0::1", "[2001:db8::1]"), ("::ffff:192.0.2.1", "[::ffff:c000:201]")],
)
def test_addresses_are_written_in_one_way(text: str, word: str) -> None:
    assert emitter.address(text) == word


def test_an_address_with_a_zone_is_refused() -> None:
    with pytest.raises(Unsafe, match="not an IP address without a zone"):
        emitter.address("fe80::1%eth0")


def test_bits_of_the_host_part_are_dropped_from_ranges() -> None:
    assert emitter.network("10.1.2.3/8") == "10.0.0.0/8"


@pytest.mark.parametrize(
    ("text", "word"), [("200", "200"), ("200, 202,204", "200,202,204"), ("204-200", "200-204"), ("200-204", "200-204")]
)
def test_codes_are_lists_and_ranges(text: str, word: str) -> None:
    assert emitter.codes(text) == word


def test_times_longer_than_haproxy_counts_are_its_longest_and_zero_is_no_limit() -> None:
    assert emitter.milliseconds(10**12) == "2073600000"
    assert emitter.timeout(0) == "2073600000"
    assert emitter.timeout(5000) == "5000"


def test_only_words_of_the_emitter_make_a_line() -> None:
    with pytest.raises(Unsafe, match="not made by the emitter"):
        emitter.line(emitter.keywords("bind"), ["raw"])  # type: ignore[list-item]
    with pytest.raises(Unsafe, match="not made by the emitter"):
        emitter.line("raw")
    assert emitter.line(Word("bind")) == "    bind"


@pytest.mark.parametrize("text", ["", "a\nb", "a\tb", "'a'", '"a"', "$HOME", "#", "\\", "a;b", "é"])
def test_keywords_are_plain_words(text: str) -> None:
    with pytest.raises(Unsafe, match="not a keyword"):
        emitter.keywords(text)
