"""What HAProxy logs of each connection: Octavia's format (reference, 4.8), and an operator's own.

The agent's section says where lines go (``log global``).
"""

import re

from lictor.amphora.emitter import Word, keywords, line, quoted
from lictor.model import LoadBalancer

NONE = line(keywords("no log"))
GLOBAL = line(keywords("log global"))

# Manual, 8.2.4: a variable may have flags. These are for HTTP only; where there is none, nothing can be said of it.
_HTTP_ONLY = re.compile(
    r"(?<!%)%(\{[^}]*\})?(CC|CS|HM|HPO|HP|HQ|HU|HV|Ta|Ti|Tq|TR|Tr|hrl|hr|hsl|hs|r|trg|trl|tr)(?![A-Za-z])"
)
_COOKIE_STATE = re.compile(r"(?<!%)%(\{[^}]*\})?tsc(?![A-Za-z])")
_OURS = re.compile(r"\{\{\s*(project_id|lb_id)\s*\}\}")
_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")


def lines(load_balancer: LoadBalancer, mode: str, log_format: str) -> list[str]:
    """A frontend's part: its format, for whole connections and for those that fail before there is anything to tell."""
    wanted = _format(load_balancer, mode, log_format)
    return [line(keywords("log-format"), wanted), line(keywords("error-log-format"), wanted)]


def _format(load_balancer: LoadBalancer, mode: str, log_format: str) -> Word:
    if mode == "tcp":
        log_format = _COOKIE_STATE.sub(r"%\1ts", _HTTP_ONLY.sub("-", log_format))
    ids = {"project_id": load_balancer.project_id, "lb_id": load_balancer.id}
    return quoted(_OURS.sub(lambda found: _plain(ids[found[1]]), log_format))


def _plain(text: str | None) -> str:
    """An id as one word of a line, in which no byte means anything to HAProxy or to who reads the line."""
    return _UNPRINTABLE.sub("?", text or "-").replace("%", "%%")
