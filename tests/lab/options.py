"""docs/options.md, from the options themselves: ``make options`` writes it."""

from oslo_config import cfg

from lictor.config.opts import OPTIONS

HEAD = """# Options

Every option of Lictor's own, made from the code by `make options`. Names and meanings are Octavia's where there is one;
the [operator guide](operator.md#options) says what to use them for, and how to print the same as a file to begin with.
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_section(group, options) for group, options in OPTIONS.items())


def _section(group: str, options: list[cfg.Opt]) -> str:
    rows = "".join(_row(option) for option in options)
    return f"\n## {group}\n\n| option | default | |\n| --- | --- | --- |\n{rows}"


def _row(option: cfg.Opt) -> str:
    return f"| `{option.name}` | {_default(option.default)} | {_cell(option.help)}{_choices(option)} |\n"


def _choices(option: cfg.Opt) -> str:
    return f" One of {', '.join(map(str, option.type.choices))}." if getattr(option.type, "choices", None) else ""


def _default(value: object) -> str:
    if value in (None, "", []):
        return ""
    if isinstance(value, dict):
        return ", ".join(f"`{name}`" for name in value)
    return f"`{_cell(','.join(value) if isinstance(value, list) else str(value))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
