"""What to do about an error that the runtime itself found, for every command that shows a failed invocation."""

from __future__ import annotations

from collections.abc import Iterable

from ..aws.arn import name_of
from ..kernel.trace import TraceRow

_HINTS = {
    "Runtime.ImportModuleError": "install what is missing where simtriggers runs, or give the function the"
    " interpreter that has it with python:; a saved fix is taken over at once",
    "Runtime.HandlerNotFound": "correct handler: in the project file, or define the function in the module",
    "Runtime.UserCodeSyntaxError": "mend the line; a saved fix is taken over at once",
    "Sandbox.Timedout": "make it faster, or give the function a longer timeout:",
}


def hint(error_type: object, *, live: bool = False) -> str | None:
    """What to do about an error type, or None when the handler's author knows best. `live` says as well that
    `up` takes a fix over by itself."""
    found = _HINTS.get(str(error_type))
    return found if found is None or live else found.partition(";")[0]


def hints(rows: Iterable[TraceRow]) -> list[str]:
    """What to do about the failed invocations among some rows: `FUNCTION, FUNCTION: what`, in their order."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        what = hint(row.details.get("error_type")) if row.kind == "InvocationFailed" else None
        if what is not None:
            found.setdefault(what, {})[name_of(row.arn)] = None
    return [f"{', '.join(functions)}: {what}" for what, functions in found.items()]
