"""Who may run now: reserved concurrency and the account's pool. Pure; counts come from the view.

Source: AWS Lambda Developer Guide, "Understanding Lambda function scaling" and "Configuring reserved
concurrency". Not modelled: the scaling rate (1,000 environments in 10 s, which the pool of 1,000 hides) and
the limit of requests a second (10 times the concurrency).
"""

from __future__ import annotations

from ...kernel.effects import Refused
from . import limits
from .settings import FunctionSettings

RESERVED_FULL = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT_FULL = "ConcurrentInvocationLimitExceeded"


def pool_of(settings: FunctionSettings) -> str:
    """What an invocation counts against: the function itself, or the unreserved rest of the account."""
    return "" if settings.reserved is None else settings.arn


def refusal(settings: FunctionSettings, *, busy: int, reserved_total: int) -> str | None:
    """Why one more invocation is throttled (AWS's Reason), or None when it may run. `busy` counts the
    running invocations of the pool that the function belongs to."""
    if settings.reserved is not None:
        return None if busy < settings.reserved else RESERVED_FULL
    return None if busy < limits.ACCOUNT_CONCURRENCY - reserved_total else ACCOUNT_FULL


def throttled(reason: str) -> Refused:
    """HTTP 429 as a synchronous caller gets it."""
    return Refused(
        "TooManyRequestsException",
        "Rate Exceeded.",
        status=429,
        retryable=True,
        fields=(("Reason", reason), ("Type", "User")),
    )


def check_reservation(reserved: int | None, *, others_total: int) -> Refused | None:
    """What AWS answers when a reservation would leave less than 100 to the functions without one."""
    if reserved is None or others_total + reserved <= limits.ACCOUNT_CONCURRENCY - limits.MINIMUM_UNRESERVED:
        return None
    return Refused(
        "InvalidParameterValueException",
        "Specified ReservedConcurrentExecutions for function decreases account's"
        f" UnreservedConcurrentExecution below its minimum value of [{limits.MINIMUM_UNRESERVED}].",
    )
