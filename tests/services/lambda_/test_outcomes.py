"""What a runtime's report means: documents, REPORT lines, errors, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from simtriggers.aws import log_lines
from simtriggers.aws.contracts import Ended
from simtriggers.services.lambda_ import limits, records
from simtriggers.services.lambda_.outcomes import judge
from simtriggers.services.lambda_.settings import parse_function
from tests.services.lambda_.world import World
from tests.support import START_MS

CASES = Path(__file__).parents[3] / "fixtures/cases/lambda_"
TABLE = YAML(typ="safe").load(CASES / "outcomes.yaml")["cases"]
SETTINGS = parse_function(World.function_resource("work")[1].config)


def ended(**fields: Any) -> Ended:
    base: dict[str, Any] = {
        "invocation_id": "ID",
        "attempt": 1,
        "incarnation": 0,
        "logs": (),
        "duration_us": 12_340,
        "init_duration_us": 0,
        "max_memory_mb": 40,
        "keep": True,
    }
    return Ended(**{**base, **fields})


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["name"])
def test_outcome(case: dict[str, Any]) -> None:
    item = ended(**case["ended"])
    outcome = judge(item, request_id="ID", settings=SETTINGS, now_ms=START_MS)
    report = log_lines.report(
        "ID",
        duration_us=item.duration_us,
        init_duration_us=item.init_duration_us,
        memory_mb=128,
        max_memory_mb=item.max_memory_mb,
        status=outcome.status,
        error_type=outcome.error_type,
    )
    error = None if outcome.ok else list(records.error_of(outcome.document))
    found = {"document": outcome.document, "line": outcome.line, "report": report, "error": error}
    assert found == {
        "document": case["document"],
        "line": case.get("line", ""),
        "report": case["report"],
        "error": case.get("error"),
    }


@pytest.mark.parametrize("size, ok", [(limits.RESPONSE_BYTES, True), (limits.RESPONSE_BYTES + 1, False)])
def test_a_response_may_be_so_large(size: int, ok: bool) -> None:
    text = '"' + "x" * (size - 2) + '"'
    outcome = judge(ended(status="ok", payload_text=text), request_id="ID", settings=SETTINGS, now_ms=0)
    assert outcome.ok is ok
    if not ok:
        assert outcome.document == (
            '{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",'
            '"errorType":"Function.ResponseSizeTooLarge"}'
        )


def test_the_tail_of_a_log_is_its_last_four_kilobytes() -> None:
    assert log_lines.tail(["a\n", "b\n"]) == "a\nb\n"
    assert log_lines.tail(["é" * 3000, "x"]) == "é" * 2047 + "x"


@pytest.mark.parametrize("us, init_us, billed", [(0, 0, 0), (1, 0, 1), (1000, 0, 1), (1001, 0, 2), (900, 200, 2)])
def test_billed_duration_rounds_up_duration_and_initialisation_together(us: int, init_us: int, billed: int) -> None:
    assert log_lines.billed_ms(us, init_us) == billed


def test_documents_that_are_no_objects_have_no_error() -> None:
    assert records.error_of("[]") == ("", "")
    assert records.error_of("oops") == ("", "")
