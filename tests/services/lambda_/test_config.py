"""The YAML of functions and queue triggers: what is taken, what is refused, what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from simtriggers.aws.arn import Names
from simtriggers.aws.contracts import Code
from simtriggers.kernel.codec import decode, encode
from simtriggers.services.lambda_.config import FunctionConfig, SqsTrigger, check_function_name
from simtriggers.services.lambda_.scaling import Bounds
from simtriggers.services.lambda_.settings import (
    function_resource,
    mapping_resource,
    mapping_uuid,
    parse_function,
    parse_mapping,
)

CASES = Path(__file__).parents[3] / "fixtures/cases/lambda_"
TABLE = YAML(typ="safe").load(CASES / "config.yaml")
NAMES = Names()


def check(model: type[FunctionConfig] | type[SqsTrigger], case: dict[str, Any]) -> None:
    if case["error"] is None:
        model.model_validate(case["config"])
        return
    with pytest.raises(ValidationError) as caught:
        model.model_validate(case["config"])
    assert case["error"] in str(caught.value)


@pytest.mark.parametrize("case", TABLE["functions"], ids=lambda case: case["name"])
def test_function(case: dict[str, Any]) -> None:
    check(FunctionConfig, case)


@pytest.mark.parametrize("case", TABLE["triggers"], ids=lambda case: case["name"])
def test_trigger(case: dict[str, Any]) -> None:
    check(SqsTrigger, case)


def test_settings_of_a_function_with_everything() -> None:
    config = FunctionConfig.model_validate(
        next(case["config"] for case in TABLE["functions"] if case["name"] == "everything")
    )
    arn, command = function_resource(
        NAMES,
        "work",
        config,
        code_uri="/project/src",
        default_runtime="inline",
        file_variables={"STAGE": "x", "KEY": "y"},
    )
    assert (arn, command.kind, command.name) == (NAMES.function("work"), "function", "work")
    found = parse_function(decode(encode(command)).config)
    assert found.code == Code("/project/src", "app.handler", "process", ".venv/bin/python")
    assert (found.timeout_ms, found.memory_mb, found.reserved) == (900_000, 10_240, 0)
    assert (found.duration_ms, found.init_duration_ms) == (-1, 110)
    assert (found.maximum_retry_attempts, found.maximum_event_age_ms) == (0, 60_000)
    assert (found.on_success, found.on_failure, found.dead_letter) == (
        NAMES.function("next"),
        NAMES.queue("lost"),
        NAMES.queue("lost"),
    )
    assert found.user_variables == (("STAGE", "dev"), ("KEY", "y"), ("SIZE", "3"))


def test_defaults_are_those_of_aws() -> None:
    config = FunctionConfig.model_validate({"handler": "app.handler"})
    found = parse_function(function_resource(NAMES, "work", config, code_uri="/p", default_runtime="process")[1].config)
    assert (found.timeout_ms, found.memory_mb, found.reserved, found.code.runtime) == (3000, 128, None, "process")
    assert (found.maximum_retry_attempts, found.maximum_event_age_ms) == (2, 21_600_000)
    assert (found.duration_ms, found.init_duration_ms) == (1, 0)


def test_a_reserved_variable_in_a_file_is_refused() -> None:
    config = FunctionConfig.model_validate({"handler": "app.handler"})
    with pytest.raises(ValueError, match="AWS_SECRET_ACCESS_KEY is reserved"):
        function_resource(
            NAMES,
            "work",
            config,
            code_uri="/p",
            default_runtime="inline",
            file_variables={"AWS_SECRET_ACCESS_KEY": "x"},
        )


def test_environment_variables_take_four_kilobytes_together() -> None:
    FunctionConfig.model_validate({"handler": "a.b", "environment": {"KEY": "x" * (4096 - 10)}})
    with pytest.raises(ValidationError, match="take 4097 bytes; Lambda allows 4 KB"):
        FunctionConfig.model_validate({"handler": "a.b", "environment": {"KEY": "x" * (4096 - 9)}})


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 65])
def test_bad_function_names(name: str) -> None:
    with pytest.raises(ValueError, match="is not a function name"):
        check_function_name(name)


def test_a_mapping_keeps_its_uuid() -> None:
    arn, command = mapping_resource(NAMES, "work", SqsTrigger(sqs="jobs", maximum_batching_window=5))
    uuid = mapping_uuid(NAMES.function("work"), NAMES.queue("jobs"))
    assert (arn, command.name) == (NAMES.event_source_mapping(uuid), uuid)
    assert uuid == "cef694f8-49d4-4392-8142-9400b9eb28f9"
    found = parse_mapping(command.config)
    assert (found.batch_size, found.window_ms, found.report_failures) == (10, 5000, False)
    assert (found.maximum_concurrency, found.pollers, found.filters, found.fifo) == (None, None, (), False)
    assert found.bounds == Bounds(5, 1250, 2, 200)
