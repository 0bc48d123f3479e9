"""The project file: buckets, queues, topics, buses and functions with their triggers, as one model.

Gathers the services' own configs; adds what concerns several of them: whether names exist, whether a
queue's visibility timeout is long enough for its function, whether notifications overlap.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from ..aws.arn import Names
from ..aws.quantities import Milliseconds, Settings
from ..errors import UserError, Where
from ..services.eventbridge.config import EventBridgeTrigger, RuleConfig, ScheduleTrigger
from ..services.eventbridge.config_buses import ApiDestinationConfig, ArchiveConfig, ConnectionConfig, EventBusConfig
from ..services.lambda_.config import FunctionConfig, SqsTrigger, check_function_name, check_variables
from ..services.s3.config import BucketConfig, S3Trigger, overlap_of
from ..services.s3.events import bucket_name_problem
from ..services.s3.notifications import fifo_refused
from ..services.scheduler.config import (
    ScheduleConfig,
    ScheduleGroupConfig,
    ScheduleV2Trigger,
    name_problem,
)
from ..services.sns.config import SnsTrigger, TopicConfig, topic_name_problem
from ..services.sqs.config import QueueConfig, in_order, queue_name_problem
from .buses import bad_event_names, bad_rules
from .environment import file_variables
from .handlers import handler_problem, unparsable
from .load import Document, KeyPath, and_also, load_yaml, raise_all
from .references import dangling, dangling_in_data, references
from .schedules import bad_schedules
from .validate import Tag, by_key, check, dotted

FILE = "simtriggers.yaml"
STATE = ".simtriggers/state.db"
_TEMPLATES = ("template.yaml", "template.yml", "template.json")
_OF_TEMPLATE = re.compile(r"""['"]?(AWSTemplateFormatVersion|Transform|Resources)['"]?\s*:""")
ACCOUNT, REGION = "123456789012", "us-east-1"
"""Of a project that names none, on a machine that names none."""

_ACCOUNT, _REGION = r"\d{12}", r"[a-z]{2}(-[a-z]+)+-\d"


def _account(item: Any) -> Any:
    """Twelve digits; YAML makes a number of them when the first is no zero."""
    text = str(item) if isinstance(item, int) and not isinstance(item, bool) else item
    if isinstance(text, str) and not re.fullmatch(_ACCOUNT, text):
        raise ValueError(f"{text!r} is not an account; write 12 digits, such as {ACCOUNT}")
    return text


def _region(text: str) -> str:
    if not re.fullmatch(_REGION, text):
        raise ValueError(f"{text!r} is not a region; write one such as {REGION}")
    return text


Account = Annotated[str, BeforeValidator(_account), WithJsonSchema({"type": "string", "pattern": f"^{_ACCOUNT}$"})]
Region = Annotated[str, AfterValidator(_region), WithJsonSchema({"type": "string", "pattern": f"^{_REGION}$"})]

_TRIGGERS_NOT_YET = {
    "event": "write event_bridge_rule: {PATTERN}",
    "event_pattern": "write event_bridge_rule: {PATTERN}",
    "dynamodb": "tables come with a later version",
    "event_bus": "write event_bridge_rule: {PATTERN}, event_bus_name: NAME",
    "api": "API Gateway comes with a later version",
    "http_api": "API Gateway comes with a later version",
    "function_url": "function URLs come with a later version",
    "kinesis": "Kinesis is not simulated",
    "kafka": "Kafka is not simulated",
    "msk": "Kafka is not simulated",
    "mq": "Amazon MQ is not simulated",
    "documentdb": "DocumentDB is not simulated",
    "cloudwatch_logs": "subscriptions of log groups are not simulated",
    "cognito": "Cognito is not simulated",
    "iot": "IoT rules are not simulated",
    "alb": "load balancers are not simulated",
}

Trigger = Annotated[
    Annotated[S3Trigger, Tag("s3")]
    | Annotated[SqsTrigger, Tag("sqs")]
    | Annotated[SnsTrigger, Tag("sns")]
    | Annotated[ScheduleTrigger, Tag("schedule")]
    | Annotated[ScheduleV2Trigger, Tag("schedule_v2")]
    | Annotated[EventBridgeTrigger, Tag("event_bridge_rule")],
    by_key(
        "a trigger",
        "s3",
        "sqs",
        "sns",
        "schedule",
        "schedule_v2",
        "event_bridge_rule",
        not_yet=_TRIGGERS_NOT_YET,
    ),
]


class FunctionDeclaration(FunctionConfig):
    """A function with what triggers it."""

    triggers: tuple[Trigger, ...] = ()


class Resources(Settings):
    """The sections that a project file and a scenario file share."""

    NOT_YET: ClassVar[dict[str, str]] = {
        "tables": "DynamoDB tables come with a later version",
        "buses": "write event_buses",
        "subscriptions": "a subscription is written under its topic: topics: {NAME: {subscriptions: [{queue: QUEUE}]}}",
        "apis": "API Gateway comes with a later version",
        "layers": "layers come with a later version; code_uri holds all of a function's code",
        "aliases": "versions and aliases of functions come with a later version",
        "event_source_mappings": "a mapping is written as a trigger of its function: triggers: [{sqs: QUEUE}]",
        "permissions": "access is not evaluated: everybody may do everything",
        "roles": "access is not evaluated: everybody may do everything",
        "policies": "access is not evaluated: everybody may do everything",
        "streams": "Kinesis is not simulated",
        "pipes": "EventBridge Pipes are not simulated",
        "state_machines": "Step Functions are not simulated",
        "log_groups": "a log group is there as soon as a function writes a line",
        "alarms": "CloudWatch alarms are not simulated",
        "parameters": "write the values where they are used; environment and env_file hold a function's variables",
        "outputs": "a project file has no outputs",
        "secrets": "write them into a file of variables: env_file",
        "globals": "write the setting into each function, or use a YAML anchor",
    }

    buckets: dict[str, BucketConfig] = {}
    queues: dict[str, QueueConfig] = {}
    topics: dict[str, TopicConfig] = {}
    functions: dict[str, FunctionDeclaration] = {}
    event_buses: dict[str, EventBusConfig] = {}
    rules: dict[str, RuleConfig] = {}
    archives: dict[str, ArchiveConfig] = {}
    connections: dict[str, ConnectionConfig] = {}
    api_destinations: dict[str, ApiDestinationConfig] = {}
    schedule_groups: dict[str, ScheduleGroupConfig] = {}
    schedules: dict[str, ScheduleConfig] = {}


class ProjectFile(Resources):
    """`simtriggers.yaml`. `trace` is how much of what happens a live state file keeps (see kernel.trace), and
    `trace_retention` how long it keeps trace rows and log lines."""

    account: Account = ACCOUNT
    region: Region | None = None
    trace: Literal["full", "events", "off"] = "full"
    trace_retention: Milliseconds = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class Project:
    """A checked project. `folder` is where its relative paths start; `names` builds its ARNs."""

    resources: Resources
    folder: Path
    names: Names
    trace_retention_ms: int = 7 * 86_400_000
    trace: str = "full"

    @property
    def state_path(self) -> Path:
        """Where `up` keeps state and trace unless told otherwise."""
        return self.folder / STATE

    def code_uri(self, function: str) -> Path:
        """The absolute folder of a function's code."""
        return (self.folder / self.resources.functions[function].code_uri).resolve()


def find_project(path: str | Path | None) -> Path:
    """The project file that a path means: the file itself, or the one in a folder (default: here).

    Raises UserError when there is none.
    """
    chosen = Path(path or ".")
    if chosen.is_dir():
        chosen = chosen / FILE
        if not chosen.exists():
            here = chosen.parent
            template = next((name for name in _TEMPLATES if (here / name).is_file()), None)
            raise UserError(
                f"there is no {FILE} in {here.resolve() if str(path or '.') == '.' else here}",
                rule=f"{template} is there; SAM and CloudFormation templates are not read yet" if template else "",
                fix="make a project with `simtriggers init`, or name the project file",
            )
    elif chosen.suffix in (".json", ".template"):
        raise UserError(
            f"{chosen}: SAM and CloudFormation templates are not read yet",
            fix=f"write the resources into a {FILE}",
        )
    return chosen


def load_project(path: str | Path | None = None) -> Project:
    """Read and check a project. Raises UserError, or UserErrors with all that is wrong at once."""
    file = find_project(path)
    refuse_template(file)
    wrong: list[UserError] = []
    document = load_yaml(file, wrong=wrong)
    model, errors = check(ProjectFile, document)
    if model is None:
        raise_all(and_also(wrong, [*errors, *dangling_in_data(document)]))
        raise AssertionError("a model that could not be made has errors")
    project = Project(model, file.parent.resolve(), _names(model), model.trace_retention, model.trace)
    raise_all(and_also(wrong, problems(project, document)))
    return project


def load_runnable(path: str | Path | None = None) -> Project:
    """A project as `load_project` gives it, whose handlers' files are Python too: as `up` needs it.

    Raises UserError, or UserErrors with all that is wrong at once.
    """
    project = load_project(path)
    sources = {"handler", "code_uri", "python", "stub"}
    functions = {name: each.model_dump(include=sources) for name, each in project.resources.functions.items()}
    raise_all(unparsable(functions, find_project(path).parent))
    return project


def refuse_template(file: Path) -> None:
    """Raises UserError for a template of SAM or CloudFormation, before its tags and sections are taken for mistakes."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return  # reading it as a project says why
    for number, line in enumerate(lines, start=1):
        found = _OF_TEMPLATE.match(line)
        if found is not None:
            raise UserError(
                f"this is a SAM or CloudFormation template (it has {found[1]}), and those are not read yet",
                where=Where(str(file), number, found.start(1) + 1),
                fix=f"write the resources into a {FILE}",
            )


def _names(model: ProjectFile) -> Names:
    region = model.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or REGION
    return Names(model.account, region)


# --- what concerns several sections -----------------------------------------------------------------


def problems(project: Project, document: Document, at: KeyPath = ()) -> list[UserError]:
    """Everything wrong with a well-formed project. `at` is where its sections stand in the document."""
    resources = project.resources
    found = list(_bad_names(resources, document, at))
    for section, path, name in references(resources):
        known = getattr(resources, section)
        if name not in known:
            found.append(dangling(document, (*at, *path), section, name, list(known)))
    found += _bad_handlers(project, document, at)
    found += _bad_variables(project, document, at)
    found += _bad_folders(project, document, at)
    if not found:
        found += _bad_wiring(project, document, at)
    return found


def _bad_names(resources: Resources, document: Document, at: KeyPath) -> Iterator[UserError]:
    for name in resources.buckets:
        problem = bucket_name_problem(name)
        if problem is not None:
            yield document.error((*at, "buckets", name), problem, fix="rename the bucket", key=True)
    for name, topic in resources.topics.items():
        problem = topic_name_problem(name, topic)
        if problem is not None:
            yield document.error((*at, "topics", name), problem, fix="rename the topic", key=True)
    for name, queue in resources.queues.items():
        problem = queue_name_problem(name, queue.fifo_queue)
        if problem is not None:
            yield document.error((*at, "queues", name), problem, fix="rename the queue", key=True)
    for section in ("schedule_groups", "schedules"):
        for name in getattr(resources, section):
            problem = name_problem(name)
            if problem is not None:
                yield document.error((*at, section, name), problem, fix="rename it", key=True)
    for name in resources.functions:
        try:
            check_function_name(name)
        except ValueError as error:
            yield document.error((*at, "functions", name), str(error), fix="rename the function", key=True)
    yield from bad_event_names(resources, document, at)


def _bad_handlers(project: Project, document: Document, at: KeyPath) -> Iterator[UserError]:
    for name, function in project.resources.functions.items():
        if function.stub:
            continue
        place: KeyPath = (*at, "functions", name)
        folder = project.code_uri(name)
        if not folder.is_dir():
            key = (*place, "code_uri")
            yield document.error(
                key,
                f"functions.{name}.code_uri: there is no folder {function.code_uri!r}",
                fix="make the folder, or correct the path; it is relative to the project file",
            )
            continue
        problem = handler_problem(folder, function.handler)
        if problem is not None:
            yield document.error((*place, "handler"), f"functions.{name}.handler: {problem.text}", fix=problem.fix)


def _bad_variables(project: Project, document: Document, at: KeyPath) -> Iterator[UserError]:
    """Files of variables that are missing or wrong; a mistake in the shared one is told once."""
    told: set[str] = set()
    for name, function in project.resources.functions.items():
        place: KeyPath = (*at, "functions", name, "env_file")
        try:
            found = file_variables(project.folder, function.env_file)
        except UserError as error:
            if error.where is None:
                yield document.error(place, f"functions.{name}.env_file: {error.problem}", fix=error.fix)
            elif error.render() not in told:
                told.add(error.render())
                yield error
            continue
        try:
            check_variables({**found, **function.environment})
        except ValueError as error:
            files = " and ".join(each for each in (".env", function.env_file) if each)
            yield document.error(place, f"functions.{name}: {error}", fix=f"see {files}", key=True)


def _bad_wiring(project: Project, document: Document, at: KeyPath) -> Iterator[UserError]:
    resources = project.resources
    try:
        in_order(resources.queues)
    except UserError as error:
        yield UserError(error.problem, where=document.where((*at, "queues")), fix=error.fix)
    yield from _fifo_targets(project, document, at)
    for name, bucket in resources.buckets.items():
        overlap = overlap_of(project.names, bucket, s3_triggers(resources, name))
        if overlap is not None:
            yield document.error(
                (*at, "buckets", name),
                f"buckets.{name}: {overlap.message}",
                rule=f"{overlap.first.id} and {overlap.second.id} overlap",
                fix="give them different prefixes or suffixes, or different events",
                key=True,
            )
    yield from _shared_folders(project, document, at)
    yield from bad_schedules(project, document, at)
    yield from bad_rules(project.names, resources, document, at)
    for name, function in resources.functions.items():
        seen: set[str] = set()
        for index, trigger in enumerate(function.triggers):
            if not isinstance(trigger, SqsTrigger):
                continue
            place = (*at, "functions", name, "triggers", index, "sqs")
            if trigger.sqs in seen:
                yield document.error(
                    place,
                    f"queue {trigger.sqs!r} triggers function {name!r} twice",
                    fix="keep one of the two triggers",
                )
            seen.add(trigger.sqs)
            queue = resources.queues.get(trigger.sqs)
            if queue is not None and queue.visibility_timeout < function.timeout:
                yield document.error(
                    place,
                    f"Queue visibility timeout: {queue.visibility_timeout} seconds is less than"
                    f" Function timeout: {function.timeout} seconds",
                    fix=f"give queues.{trigger.sqs} a visibility_timeout of {6 * function.timeout}s (6 x the timeout)",
                )


def _fifo_targets(project: Project, document: Document, at: KeyPath) -> Iterator[UserError]:
    """Notifications to FIFO queues and topics, which S3 does not tell anything."""
    for name, bucket in project.resources.buckets.items():
        for index, one in enumerate(bucket.notifications):
            queue, topic = one.queue or "", one.topic or ""
            refused = fifo_refused(project.names.queue(queue) if queue else project.names.topic(topic))
            if refused is not None:
                place = ("buckets", name, "notifications", index, "queue" if queue else "topic")
                yield document.error(
                    (*at, *place),
                    f"{dotted(place)}: {refused.message}",
                    rule="a bucket tells standard queues and topics only",
                    fix="name a standard one, or set eventbridge: true",
                )


def _bad_folders(project: Project, document: Document, at: KeyPath) -> Iterator[UserError]:
    """Folders of buckets that are files, or lie below one."""
    for name, bucket in project.resources.buckets.items():
        if bucket.folder is None:
            continue
        folder = project.folder / bucket.folder
        file = next(
            (each for each in (folder, *folder.parents) if os.path.exists(each) and not os.path.isdir(each)), None
        )
        if file is not None:
            shown = repr(bucket.folder) if file == folder else f"{file.name!r} in {bucket.folder!r}"
            yield document.error(
                (*at, "buckets", name, "folder"),
                f"buckets.{name}.folder: {shown} is a file, not a folder",
                fix="name a folder (one that is not there is made), or move the file away",
            )


def _shared_folders(project: Project, document: Document, at: KeyPath) -> Iterator[UserError]:
    """Two buckets on one folder, or one inside the other: a file would be two objects."""
    seen: dict[Path, str] = {}
    for name, bucket in project.resources.buckets.items():
        if bucket.folder is None:
            continue
        folder = (project.folder / bucket.folder).resolve()
        for other, owner in seen.items():
            if folder == other or folder in other.parents or other in folder.parents:
                place = (*at, "buckets", name, "folder")
                problem = f"the folders of buckets {owner!r} and {name!r} are the same or one inside the other"
                yield document.error(place, problem, fix="give each bucket a folder of its own")
        seen[folder] = name


def s3_triggers(resources: Resources, bucket: str) -> list[tuple[str, S3Trigger]]:
    """The triggers on a bucket, as (function name, trigger), in the order of the file."""
    return [
        (name, trigger)
        for name, function in resources.functions.items()
        for trigger in function.triggers
        if isinstance(trigger, S3Trigger) and trigger.s3 == bucket
    ]
