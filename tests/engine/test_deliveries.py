"""Deliveries: retried, dead-lettered, dropped; and the faults that a scenario declares."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simtriggers.aws.contracts import PutResource
from simtriggers.engine.faults import FaultPlan, HandlerFault, TargetFault
from simtriggers.engine.virtual import VirtualEngine
from simtriggers.kernel.effects import RetryPolicy
from tests.support import ToyRuntime, kinds, trace_rows, virtual
from tests.toys import (
    START_MS,
    Post,
    Send,
    Work,
    counter_arn,
    mailbox_arn,
)

A, B, C = mailbox_arn("a"), mailbox_arn("b"), counter_arn("c")


def letters(engine: VirtualEngine, arn: str = A) -> list[str]:
    """What lies in a mailbox."""
    return [
        body
        for (body,) in engine.connection.execute(
            "SELECT body FROM letters JOIN payloads ON digest = payload WHERE mailbox = ? ORDER BY id", (arn,)
        )
    ]


# --- deliveries -----------------------------------------------------------------------------------

TWICE = RetryPolicy("toy", maximum_retries=2, maximum_age_ms=3_600_000, base_ms=1000)


def story(engine: VirtualEngine) -> list[tuple[str, int]]:
    """Kinds of rows and their time after the start."""
    return [(row.kind, row.at_ms - START_MS) for row in trace_rows(engine)]


def put(engine: VirtualEngine, arn: str, accepts: str) -> None:
    assert engine.ask(arn, PutResource("mailbox", "x", {"accepts": accepts})) == 1


def test_a_delivery_is_retried_until_its_target_takes_it() -> None:
    engine = virtual()
    put(engine, A, "busy")
    engine.ask(C, Send(A, "x", TWICE))
    engine.run_until(START_MS + 1500)
    put(engine, A, "open")
    engine.run_until_idle()
    assert story(engine) == [
        ("Sent", 0),
        ("DeliveryFailed", 0),
        ("DeliveryFailed", 1000),
        ("LetterDelivered", 3000),
    ]
    rows = trace_rows(engine)
    assert [row.cause for row in rows] == [0, 1, 2, 3]
    assert {row.subject for row in rows[:3]} == {"x"}
    assert rows[1].details == {
        "target": A,
        "attempt": 1,
        "code": "Throttled",
        "message": "This mailbox is busy.",
        "payload": rows[0].details["payload"],
        "retry_at_ms": START_MS + 1000,
    }
    assert rows[3].details["attempt"] == 3


def test_an_exhausted_delivery_goes_to_its_dead_letter_queue_and_is_tried_there_once() -> None:
    engine = virtual()
    put(engine, A, "busy")
    engine.ask(C, Send(A, "x", TWICE, B))
    engine.run_until_idle()
    assert [kind for kind, _ in story(engine)][-2:] == ["DeliverySentToDeadLetterQueue", "LetterDelivered"]
    assert story(engine)[-1] == ("LetterDelivered", 3000)
    assert letters(engine, B) == ["x"]
    last = trace_rows(engine)
    assert last[-2].details["reason"] == "MaximumRetryAttempts"
    assert last[-1].details["source"] == C
    put(engine, B, "busy")
    engine.ask(C, Send(A, "y", replace(TWICE, maximum_retries=0), B))
    engine.run_until_idle()
    assert [kind for kind, _ in story(engine)][-4:] == [
        "DeliveryFailed",
        "DeliverySentToDeadLetterQueue",
        "DeliveryFailed",
        "DeliveryDropped",
    ]
    assert engine.now_ms == START_MS + 3000


def test_the_attributes_of_a_dead_letter_are_those_of_its_policys_owner() -> None:
    engine = virtual()
    put(engine, A, "busy")
    engine.ask(C, Send(A, "x", replace(TWICE, name="eventbridge"), B))
    engine.run_until_idle()
    details = trace_rows(engine)[-1].details
    assert {name.partition(":")[2]: text for name, text in details.items() if ":" in name} == {
        "TARGET_ARN": f"String:{A}",
        "ERROR_CODE": "String:ERROR_FROM_TARGET",
        "ERROR_MESSAGE": "String:This mailbox is busy.",
        "EXHAUSTED_RETRY_CONDITION": "String:MaximumRetryAttempts",
        "RETRY_ATTEMPTS": "String:2",
    }


@pytest.mark.parametrize("ties", range(6))
def test_retries_of_one_key_keep_their_order_when_ties_are_shuffled(ties: int) -> None:
    engine = virtual(shuffle_ties=ties)
    put(engine, A, "busy")
    for number in range(5):
        engine.ask(C, Send(A, f"{number}", TWICE, order_key="group"))
    engine.run_until(START_MS + 1500)
    put(engine, A, "open")
    engine.run_until_idle()
    assert letters(engine) == [f"{number}" for number in range(5)]


def test_a_refusal_for_good_is_not_retried() -> None:
    engine = virtual()
    put(engine, A, "never")
    engine.ask(C, Send(A, "x", TWICE))
    engine.run_until_idle()
    assert story(engine) == [("Sent", 0), ("DeliveryFailed", 0), ("DeliveryDropped", 0)]
    assert trace_rows(engine)[-1].details["rule"] == "no dead-letter queue; not retryable"


def test_a_delivery_too_old_for_another_attempt_is_given_up() -> None:
    engine = virtual()
    put(engine, A, "busy")
    engine.ask(C, Send(A, "x", replace(TWICE, maximum_retries=99, maximum_age_ms=5000), B))
    engine.run_until_idle()
    assert [at_ms for kind, at_ms in story(engine) if kind == "DeliveryFailed"] == [0, 1000, 3000]
    assert trace_rows(engine)[-2].details["reason"] == "MaximumEventAgeInSeconds"


def test_a_delivery_to_nothing_is_dropped_with_a_row() -> None:
    engine = virtual()
    engine.ask(C, Send("arn:aws:nothing:us-east-1:123456789012:x", "x", TWICE))
    engine.ask(C, Send(C, "counters take no deliveries", TWICE))
    engine.run_until_idle()
    failed = [row.details["code"] for row in trace_rows(engine) if row.kind == "DeliveryFailed"]
    assert failed == ["ResourceNotFoundException", "UnsupportedOperation"]
    assert kinds(engine).count("DeliveryDropped") == 2


def test_jitter_comes_from_the_seed() -> None:
    def retry_at(seed: int) -> int:
        engine = virtual(seed=seed)
        put(engine, A, "busy")
        engine.ask(C, Send(A, "x", replace(TWICE, jitter=1.0)))
        engine.run_until(START_MS)
        return int(trace_rows(engine)[1].details["retry_at_ms"]) - START_MS

    assert retry_at(1) == retry_at(1)
    assert len({retry_at(seed) for seed in range(10)}) > 5
    assert all(1 <= retry_at(seed) <= 1000 for seed in range(10))


# --- faults ---------------------------------------------------------------------------------------


def test_a_target_that_is_down_is_tried_again_and_one_that_is_missing_is_not() -> None:
    engine = virtual()
    engine.faults = FaultPlan(
        targets=(TargetFault(A, "down", START_MS, START_MS + 2000), TargetFault(B, "missing", START_MS + 100))
    )
    engine.ask(C, Send(A, "x", TWICE))
    engine.ask(C, Send(B, "in time", TWICE))
    engine.run_until(START_MS + 100)
    engine.ask(C, Send(B, "late", TWICE, A))
    engine.run_until_idle()
    failed = [(row.at_ms - START_MS, row.details["code"]) for row in trace_rows(engine) if row.kind == "DeliveryFailed"]
    assert failed == [
        (0, "ServiceUnavailable"),
        (100, "ResourceNotFoundException"),
        (100, "ServiceUnavailable"),
        (1000, "ServiceUnavailable"),
    ]
    assert (letters(engine, A), letters(engine, B)) == (["x"], ["in time"])


def test_a_target_that_denies_access_is_not_tried_again() -> None:
    engine = virtual()
    engine.faults = FaultPlan(targets=(TargetFault(A, "denied"),))
    engine.ask(C, Send(A, "x", TWICE, B))
    engine.ask(C, Send(A, "y", TWICE))
    engine.run_until_idle()
    assert (letters(engine, A), letters(engine, B)) == ([], ["x"])
    failed = [row.details for row in trace_rows(engine) if row.kind == "DeliveryFailed"]
    assert [(row["code"], row["message"], row["attempt"]) for row in failed] == [
        ("AccessDenied", f"Access to the resource {A} is denied (a declared fault).", 1)
    ] * 2
    assert [row.kind for row in trace_rows(engine)].count("DeliveryDropped") == 1


def test_a_fault_ends_with_its_last_millisecond() -> None:
    engine = virtual()
    engine.faults = FaultPlan(targets=(TargetFault(A, "missing", START_MS + 10, START_MS + 20),))
    for at_ms in (9, 10, 19, 20):
        engine.run_until(START_MS + at_ms)
        engine.ask(C, Send(A, f"{at_ms}", TWICE))
    engine.run_until_idle()
    assert letters(engine) == ["9", "20"]


def test_faults_strike_at_arrival_and_not_what_a_client_asks() -> None:
    engine = virtual()
    engine.faults = FaultPlan(targets=(TargetFault(A, "down"),))
    assert engine.ask(A, Post("x")) == 1


def test_a_function_fault_strikes_the_first_attempts_of_its_time() -> None:
    engine = virtual()
    runtime = engine.runtime
    assert isinstance(runtime, ToyRuntime)
    engine.faults = FaultPlan(
        handlers=(
            HandlerFault(C, ("timeout",), first=2, from_ms=START_MS + 10),
            HandlerFault(C, ("throttle",), until_ms=START_MS + 10),
        )
    )
    for _ in range(4):
        engine.ask(C, Work())
    assert [begun.fault for begun in runtime.started] == [("throttle",), ("timeout",), ("timeout",), None]
    assert engine.faults.struck == {0: 2, 1: 1}
