"""One document of a mirror, or a sentence: which option named it, what it answered, and what would be right."""

import ssl
import urllib.error
import urllib.request

from lictor.cli.refusal import Refusal

TIMEOUT = 15.0
"""Seconds that a mirror has for an answer."""


def fetch(option: str, url: str, right: str) -> bytes:
    """What is at ``url``. Raises ``Refusal``."""
    try:
        return get(url)
    except urllib.error.HTTPError as error:
        raise Refusal(f"{option}: {url} answers {error.code} {error.reason}; {right}") from None
    except (OSError, ValueError) as error:
        raise Refusal(f"{option}: {url} does not answer ({getattr(error, 'reason', error)}); {right}") from None


def get(url: str) -> bytes:
    """What is at ``url``. Raises ``OSError``."""
    context = ssl.create_default_context() if url.startswith("https:") else None
    with urllib.request.urlopen(url, timeout=TIMEOUT, context=context) as answer:
        return bytes(answer.read())
