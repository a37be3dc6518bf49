"""Errors of the dose engine, and the root of every error this project raises."""


class PlannerError(Exception):
    """Root of every error raised on purpose: its text says what, where, and what to do."""


class DoseInputError(PlannerError, ValueError):
    """A dose calculation was asked for with values that have no physical meaning."""


class UnknownSourceError(PlannerError, KeyError):
    """No seed model of that name is on board."""

    def __str__(self) -> str:  # KeyError would print the message in quotes
        return str(self.args[0])
