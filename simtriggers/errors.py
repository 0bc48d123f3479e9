"""The error families: what a user did wrong, what AWS itself would answer, what the machine refused.

Assertions are for our own mistakes and never use these classes. Nothing here imports anything else
of the package.
"""

from __future__ import annotations

from dataclasses import dataclass


class SimtriggersError(Exception):
    """Base of every error that simtriggers raises on purpose."""


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a user's file. `line` and `column` count from 1; 0 means the whole file."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"


class UserError(SimtriggersError):
    """Something in the user's files or words is wrong; says where, what, and what to write instead.

    `problem` is one sentence that shows the offending value. `fix` is what to write or do instead.
    `rule` is the rule that was broken, when the problem alone does not say it.
    """

    def __init__(self, problem: str, *, where: Where | None = None, rule: str = "", fix: str = "") -> None:
        self.problem = problem
        self.where = where
        self.rule = rule
        self.fix = fix
        super().__init__(self.render())

    def render(self) -> str:
        """The text that a terminal shows: `file:line:column: problem`, then rule and fix, indented."""
        head = f"{self.where}: {self.problem}" if self.where else self.problem
        tail = [text for text in (self.rule, f"fix: {self.fix}" if self.fix else "") if text]
        return "\n  ".join([head, *tail])


def worded(error: Exception, *, about: str = "") -> UserError:
    """The UserError of an error whose text is `problem; what to write`, as those of small languages are."""
    problem, _, fix = str(error).partition("; ")
    return UserError(f"{about}{problem}", fix=fix)


class UserErrors(UserError):
    """Several user errors found in one pass; each is in `errors`, in file order."""

    def __init__(self, errors: list[UserError]) -> None:
        self.errors = errors
        super().__init__("\n".join(error.render() for error in errors))


class AwsFault(SimtriggersError):
    """What AWS itself would answer: raised by the Python API where an SDK would raise ClientError.

    `code` and `message` are AWS's texts; `status` is the HTTP status; `fields` are further members of
    the error (for Lambda's throttle: Reason and Type).
    """

    def __init__(self, code: str, message: str, *, status: int = 400, fields: dict[str, str] | None = None) -> None:
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields or {}
        super().__init__(f"{code}: {message}")


class StateError(SimtriggersError):
    """The state file cannot be used: locked by another simulator, corrupt, too new, or the disk is full."""


class Deadlock(SimtriggersError):
    """A run that can never proceed; the message names everything that is being waited for."""


class RunLimit(SimtriggersError):
    """A run that would not end, for example a function that triggers itself at the same millisecond."""


class InvariantBroken(SimtriggersError):
    """A checker found the state in contradiction with itself: a defect of simtriggers, not of the user."""
