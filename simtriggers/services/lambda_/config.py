"""The YAML of functions and of their queue triggers, as pydantic models. Checks form and ranges only;
whether names exist is the project's to say, and what AWS refuses is decided again when rows are put.

Source: AWS Lambda API Reference, CreateFunction, PutFunctionEventInvokeConfig, CreateEventSourceMapping.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ...aws.quantities import Seconds, Settings, parse_duration_ms
from . import limits
from .filters import check_filters, pattern_texts

FIFO_SUFFIX = ".fifo"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]+")
_HANDLER = re.compile(r"[^\s.]+(\.[^\s.]+)+")
_TARGET_KEYS = frozenset({"queue", "function", "event_bus", "arn"})
_LATER_TARGETS = frozenset({"topic", "bucket"})
_VERSIONS = "versions and aliases come with a later version; a function is its latest code"
_NETWORK = "a function runs on this machine, with its network"
_STREAM = "it is a setting of streams, which come with a later version"
_ACCESS = "access is not evaluated here: every function may do everything"


def check_function_name(name: str) -> str:
    """A function's name as AWS takes it. Raises ValueError with the rule."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a function name: up to 64 letters, digits, hyphens and underscores")
    return name


def check_variables(variables: dict[str, str]) -> dict[str, str]:
    """A function's environment variables as AWS takes them. Raises ValueError with the rule."""
    for name in variables:
        if name in limits.RESERVED_VARIABLES:
            raise ValueError(f"environment variable {name} is reserved: Lambda sets it itself")
        if not _VARIABLE.fullmatch(name):
            raise ValueError(
                f"{name!r} is not the name of an environment variable: two or more letters, digits and"
                " underscores, a letter first"
            )
    size = len(json.dumps(variables, separators=(",", ":"), ensure_ascii=False).encode())
    if size > limits.ENVIRONMENT_BYTES:
        raise ValueError(f"the environment variables take {size} bytes; Lambda allows 4 KB for all together")
    return variables


def _target(item: Any) -> Any:
    if isinstance(item, str):
        return {"arn": item}
    if isinstance(item, dict) and _LATER_TARGETS & item.keys():
        kind = sorted(_LATER_TARGETS & item.keys())[0]
        raise ValueError(f"a {kind} as destination comes later; a queue, a function or an event bus can be one now")
    return item


class Target(Settings):
    """Where results or dead events go: `{queue: NAME}`, `{function: NAME}`, `{event_bus: NAME}`, or the ARN of one."""

    queue: str | None = None
    function: str | None = None
    event_bus: str | None = None
    arn: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Target:
        given = [key for key in sorted(_TARGET_KEYS) if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError("a destination is one of {queue: NAME}, {function: NAME}, {event_bus: NAME} or an ARN")
        if self.arn is not None and not re.match(
            r"arn:aws:(sqs:|lambda:[^:]*:[^:]*:function:|events:[^:]*:[^:]*:event-bus/)", self.arn
        ):
            raise ValueError(f"{self.arn!r} is not the ARN of a queue, function or event bus; other targets come later")
        for name in (self.queue, self.arn):
            if name is not None and name.endswith(FIFO_SUFFIX):
                raise ValueError(f"{name!r} is a FIFO queue; as a destination Lambda takes standard queues only")
        return self


Destination = Annotated[Target, BeforeValidator(_target)]


class EventInvokeConfig(Settings):
    """What becomes of asynchronous events that fail, and where results go."""

    NOT_YET: ClassVar[dict[str, str]] = {"qualifier": _VERSIONS}

    maximum_retry_attempts: Annotated[int, Field(ge=0, le=2, strict=True)] = 2
    maximum_event_age: Annotated[Seconds, Field(ge=60, le=21_600)] = 21_600
    on_success: Destination | None = None
    on_failure: Destination | None = None


class DeadLetterConfig(Settings):
    """The queue that gets asynchronous events that could not be handled: its name or its ARN."""

    target: str

    @field_validator("target")
    @classmethod
    def _queue(cls, target: str) -> str:
        if target.startswith("arn:") and not target.startswith("arn:aws:sqs:"):
            raise ValueError(f"{target!r} is not the ARN of a queue; topics as dead-letter targets come later")
        if target.endswith(FIFO_SUFFIX):
            raise ValueError(f"{target!r} is a FIFO queue; a function's dead letters go to a standard queue")
        return target


class Raises(Settings):
    """An exception of a stub."""

    type: str
    message: str = ""


class Outcome(Settings):
    """One outcome of a stub: exactly one of the four."""

    returns: Any = None
    raises: Raises | None = None
    times_out: Literal[True] | None = None
    exits: Annotated[int, Field(ge=0, le=255, strict=True)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Outcome:
        if len(self.model_fields_set) != 1:
            raise ValueError("a stub's outcome is one of returns, raises, times_out, exits")
        return self

    def row(self) -> list[str]:
        """The outcome as contracts.Start.stub has it."""
        if self.raises is not None:
            return ["raises", self.raises.type, self.raises.message]
        if self.times_out:
            return ["times_out"]
        if self.exits is not None:
            return ["exits", str(self.exits)]
        return ["returns", json.dumps(self.returns, ensure_ascii=False)]


def _duration(item: Any) -> Any:
    return item if item == "measured" else parse_duration_ms(item)


Modelled = Annotated[Literal["measured"] | int, BeforeValidator(_duration)]


class FunctionConfig(Settings):
    """One function of a project file, without its triggers."""

    NOT_YET: ClassVar[dict[str, str]] = {
        "layers": "layers come with a later version; code_uri holds all of a function's code",
        "versions": _VERSIONS,
        "version": _VERSIONS,
        "aliases": _VERSIONS,
        "alias": _VERSIONS,
        "auto_publish_alias": _VERSIONS,
        "provisioned_concurrency": "provisioned concurrency comes with a later version",
        "provisioned_concurrency_config": "provisioned concurrency comes with a later version",
        "snap_start": "an environment is initialised anew each time; init_duration says how long that takes",
        "function_url": "function URLs come with a later version",
        "function_url_config": "function URLs come with a later version",
        "image_uri": "images of containers are not run; code_uri names the folder of the code",
        "image_config": "images of containers are not run; code_uri names the folder of the code",
        "package_type": "images of containers are not run; code_uri names the folder of the code",
        "architectures": "a function runs on this machine's processor",
        "ephemeral_storage": "/tmp is this machine's own",
        "file_system_configs": "a function sees this machine's files",
        "vpc_config": _NETWORK,
        "tracing": "X-Ray is not simulated; the trace tells more",
        "tracing_config": "X-Ray is not simulated; the trace tells more",
        "logging_config": "lines are written as Lambda's text format has them",
        "role": _ACCESS,
        "policies": _ACCESS,
        "permissions": _ACCESS,
        "kms_key_arn": "nothing is encrypted here",
        "code_signing_config_arn": "code is not signed here",
        "recursive_loop": "recursive loops are not detected",
        "description": "write it as a comment",
        "tags": "tags of functions come with a later version",
    }

    handler: Annotated[str, Field(max_length=128)] = ""
    code_uri: str = "."
    timeout: Annotated[Seconds, Field(ge=1, le=900)] = 3
    memory_size: Annotated[int, Field(ge=128, le=10_240, strict=True)] = 128
    environment: dict[str, str] = {}
    env_file: str | None = None
    runtime: Literal["process", "inline", "stub"] | None = None
    python: str | None = None
    reserved_concurrent_executions: Annotated[int, Field(ge=0, strict=True)] | None = None
    duration: Modelled = 1
    init_duration: Modelled | None = None
    event_invoke_config: EventInvokeConfig = EventInvokeConfig()
    dead_letter_config: DeadLetterConfig | None = None
    stub: list[Outcome] = []

    @field_validator("environment", mode="before")
    @classmethod
    def _texts(cls, items: Any) -> Any:
        if not isinstance(items, dict):
            return items
        for name, item in items.items():
            if isinstance(item, bool) or not isinstance(item, (str, int, float)):
                raise ValueError(f"environment variable {name} is {item!r}; write it as a text in quotes")
        return check_variables({str(name): str(item) for name, item in items.items()})

    @field_validator("duration")
    @classmethod
    def _at_least_1_ms(cls, item: int | str) -> int | str:
        if item != "measured" and int(item) < 1:
            raise ValueError("a handler's duration is at least 1ms")
        return item

    @model_validator(mode="after")
    def _together(self) -> FunctionConfig:
        if self.stub and self.runtime not in (None, "stub"):
            raise ValueError(f"stub outcomes are not used with runtime {self.runtime!r}; leave one of the two out")
        if self.runtime == "stub" and not self.stub:
            raise ValueError("runtime 'stub' needs outcomes, for example stub: [{returns: {}}]")
        if not self.stub and not self.handler:
            raise ValueError("a function needs a handler, for example handler: app.handler")
        if self.handler and not _HANDLER.fullmatch(self.handler):
            raise ValueError(f"{self.handler!r} is not a handler; write module.function, for example app.handler")
        if self.python is not None and self.runtime in ("inline", "stub"):
            raise ValueError(f"python names an interpreter for runtime 'process'; this one is {self.runtime!r}")
        return self


class ProvisionedPollerConfig(Settings):
    """Pollers of its own for a mapping; each runs up to 10 batches at a time.

    Source: AWS Lambda Developer Guide, "Configuring scaling behavior for SQS event source mappings".
    """

    minimum_pollers: Annotated[int, Field(ge=2, le=200, strict=True)] = limits.DEFAULT_POLLERS[0]
    maximum_pollers: Annotated[int, Field(ge=2, le=10_000, strict=True)] = limits.DEFAULT_POLLERS[1]

    @model_validator(mode="after")
    def _in_order(self) -> ProvisionedPollerConfig:
        if self.minimum_pollers > self.maximum_pollers:
            raise ValueError("minimum_pollers is more than maximum_pollers")
        return self


class SqsTrigger(Settings):
    """A queue that triggers a function: an event source mapping.

    `filter_criteria` is a list of patterns, each as YAML or as the text of a JSON object; AWS's own shape,
    `{filters: [{pattern: …}]}`, is taken too. It becomes a tuple of JSON texts, None when there is no filter.
    `filter_quota` is how many filters the account allows (5, or up to 10 when AWS has raised it).
    Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS", configuration parameters.
    """

    NOT_YET: ClassVar[dict[str, str]] = {
        "starting_position": _STREAM,
        "starting_position_timestamp": _STREAM,
        "bisect_batch_on_function_error": _STREAM,
        "maximum_record_age": _STREAM,
        "maximum_retry_attempts": f"{_STREAM}; a queue's redrive_policy says how often a message is tried",
        "parallelization_factor": _STREAM,
        "tumbling_window": _STREAM,
        "destination_config": f"{_STREAM}; a queue has a redrive_policy",
        "kms_key_arn": "nothing is encrypted here",
        "metrics_config": "the trace counts what happens",
        "tags": "tags of mappings come with a later version",
    }

    sqs: str
    batch_size: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 10
    maximum_batching_window: Annotated[Seconds, Field(ge=0, le=300)] = 0
    function_response_types: list[Literal["ReportBatchItemFailures"]] = []
    maximum_concurrency: Annotated[int, Field(ge=2, le=1000, strict=True)] | None = None
    provisioned_poller_config: ProvisionedPollerConfig | None = None
    filter_criteria: Any = None
    filter_quota: Annotated[int, Field(ge=limits.FILTERS, le=limits.FILTERS_WITH_QUOTA, strict=True)] = limits.FILTERS
    enabled: bool = True

    @field_validator("filter_criteria")
    @classmethod
    def _patterns(cls, item: Any) -> Any:
        return None if item is None else pattern_texts(item) or None

    @model_validator(mode="after")
    def _together(self) -> SqsTrigger:
        fifo = self.sqs.endswith(FIFO_SUFFIX)
        if fifo and self.maximum_batching_window:
            raise ValueError("Batching window is not supported for FIFO queues")
        if fifo and self.batch_size > limits.BATCH_SIZE_WITHOUT_WINDOW:
            raise ValueError(f"batch_size is at most {limits.BATCH_SIZE_WITHOUT_WINDOW} for FIFO queues")
        if self.batch_size > limits.BATCH_SIZE_WITHOUT_WINDOW and self.maximum_batching_window == 0:
            raise ValueError(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
            )
        if self.maximum_concurrency is not None and self.provisioned_poller_config is not None:
            raise ValueError("maximum_concurrency and provisioned_poller_config exclude each other; leave one out")
        if self.filter_criteria is not None:
            check_filters(self.filter_criteria, quota=self.filter_quota)
        return self
