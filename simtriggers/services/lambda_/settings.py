"""Settings as decisions use them: parsed once from a resource's row, cached until it is written.

Also builds the PutResource commands of a project's functions and queue triggers. Reads no file.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from ...aws.arn import Names, name_of, region_and_account
from ...aws.contracts import Code, PutResource
from . import limits
from .config import FIFO_SUFFIX, FunctionConfig, SqsTrigger, Target, check_function_name, check_variables
from .scaling import Bounds, bounds_of

FUNCTION = "function"
MAPPING = "event_source_mapping"
VERSION = "$LATEST"
PYTHON_RUNTIME = f"python3.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """A function. `reserved` None: no reserved concurrency. `duration_ms` and `init_duration_ms` are
    modelled, -1 for measured. `variables` are all environment variables but those of one invocation.
    `stub` holds the outcomes of a stub as contracts.Start.stub has them; the last one repeats."""

    arn: str
    name: str
    region: str
    code: Code
    timeout_ms: int
    memory_mb: int
    reserved: int | None
    duration_ms: int
    init_duration_ms: int
    maximum_retry_attempts: int
    maximum_event_age_ms: int
    on_success: str | None
    on_failure: str | None
    dead_letter: str | None
    stub: tuple[tuple[str, ...], ...]
    user_variables: tuple[tuple[str, str], ...]
    variables: tuple[tuple[str, str], ...]
    log_group_name: str
    log_group_arn: str
    code_sha256: str = ""
    """Of the code's files, live: other code means other settings, so new environments."""


@dataclass(frozen=True, slots=True)
class MappingSettings:
    """An event source mapping. `filters` are the texts of its patterns; `pollers` are the least and the most of
    provisioned mode, None outside it; `bounds` say how many batches may be in flight."""

    arn: str
    uuid: str
    function_arn: str
    source_arn: str
    batch_size: int
    window_ms: int
    report_failures: bool
    maximum_concurrency: int | None
    pollers: tuple[int, int] | None
    filters: tuple[str, ...]
    filter_quota: int
    enabled: bool
    bounds: Bounds

    @property
    def fifo(self) -> bool:
        """Whether the source is a FIFO queue: their names end so, and no other's do."""
        return self.source_arn.endswith(FIFO_SUFFIX)


def parse_function(config: dict[str, Any]) -> FunctionSettings:
    """A function's settings from its stored JSON, as `function_resource` writes it."""
    arn = config["arn"]
    name = name_of(arn)
    region, account = region_and_account(arn)
    group = f"/aws/lambda/{name}"
    user = tuple((str(key), str(text)) for key, text in config["environment"].items())
    return FunctionSettings(
        arn=arn,
        name=name,
        region=region,
        code=Code(config["code_uri"], config["handler"], config["runtime"], config["python"]),
        timeout_ms=config["timeout"] * 1000,
        memory_mb=config["memory_size"],
        reserved=config["reserved_concurrent_executions"],
        duration_ms=config["duration_ms"],
        init_duration_ms=config["init_duration_ms"],
        maximum_retry_attempts=config["maximum_retry_attempts"],
        maximum_event_age_ms=config["maximum_event_age"] * 1000,
        on_success=config["on_success"],
        on_failure=config["on_failure"],
        dead_letter=config["dead_letter"],
        stub=tuple(tuple(outcome) for outcome in config["stub"]),
        user_variables=user,
        variables=_variables(config, name, region, group, dict(user)),
        log_group_name=group,
        log_group_arn=Names(account, region).log_group(group),
        code_sha256=config.get("code_sha256", ""),
    )


def _variables(
    config: dict[str, Any], name: str, region: str, group: str, user: dict[str, str]
) -> tuple[tuple[str, str], ...]:
    """All variables of a function but the log stream and the trace id, in a fixed order.

    The credentials are made up and say so. Source: AWS Lambda Developer Guide, "Defined runtime
    environment variables", values as recorded for Python runtimes.
    """
    fixed = {
        "_HANDLER": config["handler"],
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{PYTHON_RUNTIME}",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config["memory_size"]),
        "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": group,
        "AWS_ACCESS_KEY_ID": "ASIASIMTRIGGERSFAKE0",
        "AWS_SECRET_ACCESS_KEY": "simtriggers/not/a/real/secret/key0000000",
        "AWS_SESSION_TOKEN": "simtriggers-not-a-real-session-token",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
    }
    defaults = {
        "LANG": "en_US.UTF-8",
        "LC_CTYPE": "C.UTF-8",
        "TZ": ":UTC",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib"
        ":/var/task:/var/task/lib:/opt/lib",
        "PYTHONPATH": "/var/runtime",
        "PWD": "/var/task",
        "SHLVL": "0",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
    }
    return tuple({**fixed, **defaults, **user}.items())


def parse_mapping(config: dict[str, Any]) -> MappingSettings:
    """A mapping's settings from its stored JSON, as `mapping_resource` writes it; what later versions added may be
    missing in a row of an earlier one."""
    pollers = config.get("provisioned_poller_config")
    limits_of_pollers = None if pollers is None else (pollers["minimum_pollers"], pollers["maximum_pollers"])
    return MappingSettings(
        arn=config["arn"],
        uuid=config["uuid"],
        function_arn=config["function_arn"],
        source_arn=config["source_arn"],
        batch_size=config["batch_size"],
        window_ms=config["maximum_batching_window"] * 1000,
        report_failures="ReportBatchItemFailures" in config["function_response_types"],
        maximum_concurrency=config["maximum_concurrency"],
        pollers=limits_of_pollers,
        filters=tuple(config.get("filters", ())),
        filter_quota=config.get("filter_quota", limits.FILTERS),
        enabled=config["enabled"],
        bounds=bounds_of(
            fifo=config["source_arn"].endswith(FIFO_SUFFIX),
            maximum_concurrency=config["maximum_concurrency"],
            pollers=limits_of_pollers,
        ),
    )


def target_arn(names: Names, target: Target | None) -> str | None:
    """The ARN of a destination, or None."""
    if target is None:
        return None
    if target.queue is not None:
        return names.queue(target.queue)
    if target.event_bus is not None:
        return names.event_bus(target.event_bus)
    return names.function(target.function) if target.function is not None else target.arn


def function_resource(
    names: Names,
    name: str,
    config: FunctionConfig,
    *,
    code_uri: str,
    default_runtime: str,
    file_variables: Mapping[str, str] | None = None,
    code_sha256: str = "",
    declared_by: str = "project",
) -> tuple[str, PutResource]:
    """The ARN of a function and the command that creates it or brings it up to date.

    `code_uri` is the absolute folder; `default_runtime` (`process` or `inline`) holds when the config
    names none; `file_variables` are those of the project's `.env` and of `env_file`, already merged;
    another `code_sha256` gives the function new environments (its files have changed).
    Raises ValueError for a name or variables that AWS would refuse.
    """
    arn = names.function(check_function_name(name))
    invoke, dead_letter = config.event_invoke_config, config.dead_letter_config
    init = config.init_duration if config.init_duration is not None else (-1 if config.duration == "measured" else 0)
    row = {
        "arn": arn,
        "code_uri": code_uri,
        "code_sha256": code_sha256,
        "handler": config.handler,
        "runtime": "stub" if config.stub else config.runtime or default_runtime,
        "python": config.python or "",
        "timeout": config.timeout,
        "memory_size": config.memory_size,
        "environment": check_variables({**(file_variables or {}), **config.environment}),
        "reserved_concurrent_executions": config.reserved_concurrent_executions,
        "duration_ms": -1 if config.duration == "measured" else config.duration,
        "init_duration_ms": -1 if init == "measured" else init,
        "maximum_retry_attempts": invoke.maximum_retry_attempts,
        "maximum_event_age": invoke.maximum_event_age,
        "on_success": target_arn(names, invoke.on_success),
        "on_failure": target_arn(names, invoke.on_failure),
        "dead_letter": None if dead_letter is None else _queue_arn(names, dead_letter.target),
        "stub": [outcome.row() for outcome in config.stub],
    }
    return arn, PutResource(FUNCTION, name, row, declared_by)


def _queue_arn(names: Names, target: str) -> str:
    return target if target.startswith("arn:") else names.queue(target)


def mapping_uuid(function_arn: str, source_arn: str) -> str:
    """The UUID of a project's mapping: the same at each start, since its state must be found again."""
    raw = blake2b(f"{function_arn} {source_arn}".encode(), digest_size=16).hexdigest()
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-8{raw[17:20]}-{raw[20:]}"


def mapping_resource(
    names: Names, function_name: str, trigger: SqsTrigger, *, declared_by: str = "project"
) -> tuple[str, PutResource]:
    """The ARN of a queue trigger's mapping and the command that creates it or brings it up to date."""
    function_arn, source_arn = names.function(function_name), _queue_arn(names, trigger.sqs)
    uuid = mapping_uuid(function_arn, source_arn)
    arn = names.event_source_mapping(uuid)
    pollers = trigger.provisioned_poller_config
    row = {
        "arn": arn,
        "uuid": uuid,
        "function_arn": function_arn,
        "source_arn": source_arn,
        "batch_size": trigger.batch_size,
        "maximum_batching_window": trigger.maximum_batching_window,
        "function_response_types": list(trigger.function_response_types),
        "maximum_concurrency": trigger.maximum_concurrency,
        "provisioned_poller_config": None if pollers is None else pollers.model_dump(),
        "filters": [] if trigger.filter_criteria is None else list(trigger.filter_criteria),
        "filter_quota": trigger.filter_quota,
        "enabled": trigger.enabled,
    }
    return arn, PutResource(MAPPING, uuid, row, declared_by)
