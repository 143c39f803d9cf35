"""The server lines of a configuration text: whether a server should be there is what the text says, not the table.

The table of a state names the servers that may be changed while HAProxy runs; others (of pools whose checks fork)
stand in the text alone.
"""


def server_lines(config: str) -> dict[tuple[str, str], str]:
    """Each ``server`` line by its backend and name."""
    found = {}
    section = ""
    for line in config.split("\n"):
        words = line.split(None, 2)
        if words and not line[:1].isspace():
            section = words[1] if words[0] in ("backend", "listen") and len(words) > 1 else ""
        elif len(words) > 1 and words[0] == "server" and section:
            found[section, words[1]] = line.strip()
    return found
