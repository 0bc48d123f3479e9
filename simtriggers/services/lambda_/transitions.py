"""The states of an invocation and what may happen in each. Pure; a refused transition is our defect.

    accepted --start--> running --succeed--> succeeded
                           |-----fail------> failed
                           |-----retry-----> waiting_retry --start--> running
                           '----requeue----> queued --------start--> running

Only `queued`, `running` and `waiting_retry` have a row; in the other states the trace alone remembers.
"""

from __future__ import annotations

ACCEPTED = "accepted"
QUEUED = "queued"
RUNNING = "running"
WAITING_RETRY = "waiting_retry"
SUCCEEDED = "succeeded"
FAILED = "failed"
INTERRUPTED = "interrupted"
REFUSED = "refused"
DROPPED = "dropped"

TABLE: dict[tuple[str, str], str] = {
    (ACCEPTED, "start"): RUNNING,
    (ACCEPTED, "throttle"): QUEUED,
    (ACCEPTED, "refuse"): REFUSED,
    (ACCEPTED, "give_up"): FAILED,
    (QUEUED, "start"): RUNNING,
    (QUEUED, "throttle"): QUEUED,
    (QUEUED, "give_up"): FAILED,
    (QUEUED, "drop"): DROPPED,
    (WAITING_RETRY, "start"): RUNNING,
    (WAITING_RETRY, "throttle"): QUEUED,
    (WAITING_RETRY, "give_up"): FAILED,
    (WAITING_RETRY, "drop"): DROPPED,
    (RUNNING, "succeed"): SUCCEEDED,
    (RUNNING, "fail"): FAILED,
    (RUNNING, "retry"): WAITING_RETRY,
    (RUNNING, "requeue"): QUEUED,
    (RUNNING, "interrupt"): INTERRUPTED,
    (RUNNING, "drop"): DROPPED,
}


def move(state: str, action: str, *, entity: str, history: str) -> str:
    """The state after `action`. Raises AssertionError with entity, action and history when it is refused."""
    after = TABLE.get((state, action))
    assert after is not None, f"{entity} is {state} and cannot {action}; history: {history}"
    return after
