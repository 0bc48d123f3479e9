"""The error of a schedule expression: AWS's words first, then what is wrong, where, and what to write."""

from __future__ import annotations

from ...errors import SimtriggersError

AWS_MESSAGE = "Parameter ScheduleExpression is not valid."


class ScheduleError(SimtriggersError, ValueError):
    """A schedule expression that AWS would refuse, or that is not supported.

    `message` begins with AWS's own text; `column` counts from 1 within the expression; `fix` is what to
    write instead. The error's text is all three on one line, `message (column N); fix`. It is a ValueError
    so that pydantic takes it as a validation error.
    """

    def __init__(self, message: str, column: int, fix: str) -> None:
        self.message = message
        self.column = column
        self.fix = fix
        super().__init__(f"{message} (column {column}); {fix}")


def refuse(what: str, *, column: int, fix: str) -> ScheduleError:
    """The error for one problem; `what` is a phrase without a full stop."""
    return ScheduleError(f"{AWS_MESSAGE} {what}", column, fix)


def as_scheduler_says(error: ScheduleError, text: str) -> ScheduleError:
    """The same problem of the expression `text` in the words of EventBridge Scheduler, which names it."""
    what = error.message.removeprefix(AWS_MESSAGE)
    return ScheduleError(f"Invalid Schedule Expression {text}.{what}", error.column, error.fix)
