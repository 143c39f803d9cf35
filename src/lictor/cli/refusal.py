"""Why a command does not do what it was asked."""


class Refusal(Exception):
    """The command cannot go on. The message is one sentence for the operator: what is wrong, and what would help."""

    def __init__(self, message: str, status: int = 1) -> None:
        """``status`` is the exit status: 1 for a place that does not fit, 2 for options that are wrong."""
        super().__init__(message)
        self.status = status
