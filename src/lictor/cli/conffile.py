"""A configuration file, line by line: what oslo.config reads of it, and where that stands."""

import collections
import dataclasses
import pathlib
from collections.abc import Iterable, Iterator

from oslo_config import iniparser

from lictor.cli.refusal import Refusal


@dataclasses.dataclass(frozen=True)
class Line:
    """One assignment: the number of its first line, from 1, and what it says."""

    number: int
    section: str
    name: str
    value: str

    @property
    def key(self) -> tuple[str, str]:
        """The option, as oslo.config finds it: the case of a section does not count."""
        return self.section if self.section == "DEFAULT" else self.section.lower(), self.name


def read(path: pathlib.Path) -> list[Line]:
    """All assignments of a file. Raises ``Refusal``, status 2, if it cannot be read or is no such file."""
    try:
        return _Parser().lines(path.read_text("utf-8").split("\n"))
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror or error}", status=2) from None
    except UnicodeDecodeError:
        raise Refusal(f"{path} cannot be read: it is no text in UTF-8", status=2) from None
    except iniparser.ParseError as error:
        # The line itself may hold a secret.
        raise Refusal(f"{path}:{error.lineno}: {error.msg}: give [section] and option = value", status=2) from None


class _Parser(iniparser.BaseParser):
    """oslo.config's own grammar, with the number of each assignment's first line."""

    def __init__(self) -> None:
        self._section = ""
        self._found: list[Line] = []
        self._begun: collections.deque[int] = collections.deque()

    def lines(self, text: Iterable[str]) -> list[Line]:
        """Raises ``ParseError``."""
        self.parse(self._watched(text))
        return self._found

    def _watched(self, text: Iterable[str]) -> Iterator[str]:
        """An assignment is told of when the next begins: what begins one is counted here."""
        for number, line in enumerate(text, 1):
            if line.strip() and not line.startswith((" ", "\t", "[", "#", ";")):
                self._begun.append(number)
            yield line

    def assignment(self, key: str, value: list[str]) -> None:
        """Called by the parser."""
        number = self._begun.popleft()
        if not self._section:
            raise iniparser.ParseError("an option before the first section", number, "")
        self._found.append(Line(number, self._section, key, "\n".join(value)))

    def new_section(self, section: str) -> None:
        """Called by the parser."""
        self._section = section
