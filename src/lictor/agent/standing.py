"""Up or down, by what checks found: the same for all checks that the agent makes itself."""


class Standing:
    """``up`` is None until the first result, which decides alone; then ``rise`` and ``fall`` results in a row do."""

    def __init__(self, up: bool | None = None) -> None:
        self.up = up
        self._against = 0

    def take(self, good: bool, rise: int, fall: int) -> bool:
        """Take a result in; whether it changed ``up``."""
        before = self.up
        self._against = 0 if good == self.up else self._against + 1
        if self.up is None or self._against >= (fall if self.up else rise):
            self.up, self._against = good, 0
        return self.up != before
