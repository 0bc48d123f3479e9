"""What to do about an error that the runtime itself found, for every command that shows a failed invocation."""

from __future__ import annotations

import re
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


_MISSING = re.compile(r"No module named '([A-Za-z_]\w*)")
_ON_LAMBDA = ("boto3", "botocore")
"""Source: AWS Lambda Developer Guide, "Runtime-included SDK versions"."""


def hint(error_type: object, message: object = "", *, live: bool = False) -> str | None:
    """What to do about an error, or None when the handler's author knows best. `live` says as well that
    `up` takes a fix over by itself."""
    missing = _MISSING.search(str(message))
    if missing is not None and missing[1] in _ON_LAMBDA:
        found: str | None = (
            f"{missing[1]} is on Lambda but not in this environment: pip install boto3; the next attempt finds it"
        )
    else:
        found = _HINTS.get(str(error_type))
    return found if found is None or live else found.partition(";")[0]


def hints(rows: Iterable[TraceRow]) -> list[str]:
    """What to do about the failed invocations among some rows: `FUNCTION, FUNCTION: what`, in their order."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        what = None
        if row.kind == "InvocationFailed":
            what = hint(row.details.get("error_type"), row.details.get("error_message"))
        if what is not None:
            found.setdefault(what, {})[name_of(row.arn)] = None
    return [f"{', '.join(functions)}: {what}" for what, functions in found.items()]
