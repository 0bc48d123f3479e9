"""From a project to the commands that make its resources, in an order in which each finds what it names."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ..aws.contracts import PutResource, RemoveResource
from ..errors import UserError
from ..services.lambda_.config import SqsTrigger
from ..services.lambda_.settings import function_resource, mapping_resource
from ..services.s3.config import bucket_resource
from ..services.sns.config import SnsTrigger, subscription_resource, topic_resource, trigger_resource
from ..services.sqs.config import in_order, queue_resource
from .buses import buses_and_destinations, declared_rules, rules_of_functions
from .environment import file_variables
from .model import Project, s3_triggers
from .schedules import group_resources, schedule_resources

_CODE = (".py", ".so")
_NOT_CODE = frozenset({".simtriggers", ".git", "__pycache__", ".venv", "node_modules"})

KEEPS_DATA = ("queue", "bucket", "topic", "archive")


@dataclass(frozen=True, slots=True)
class Declared:
    """A resource of the project: its ARN and the command that makes it or brings it up to date."""

    arn: str
    command: PutResource


def declare(project: Project, *, default_runtime: str, folders: bool, base_url: str | None = None) -> list[Declared]:
    """The project's resources, in order.

    Raises UserError for what only shows here, such as a missing env_file.
    `default_runtime` holds for functions that name none (`process` live, `inline` virtual). `folders`:
    buckets are the folders they name, and configuring them is told by an s3:TestEvent; without it they are
    kept in the state alone (virtual runs).
    `base_url` is where the links in messages of topics lead; None: to AWS.
    """
    names, resources = project.names, project.resources
    made = [queue_resource(names, name, resources.queues[name]) for name in in_order(resources.queues)]
    buckets = frozenset(str(bucket_folder(project, each.folder)) for each in resources.buckets.values() if each.folder)
    for name, function in resources.functions.items():
        try:
            made.append(
                function_resource(
                    names,
                    name,
                    function,
                    code_uri=str(project.code_uri(name)),
                    code_sha256=code_sha256(project.code_uri(name), without=buckets) if folders else "",
                    default_runtime=default_runtime,
                    file_variables=file_variables(project.folder, function.env_file),
                )
            )
        except ValueError as error:
            raise UserError(f"functions.{name}: {error}") from None
    made += _topics(project, base_url)
    made += buses_and_destinations(names, resources)
    for name, bucket in resources.buckets.items():
        folder = str(bucket_folder(project, bucket.folder)) if folders and bucket.folder else None
        triggers = s3_triggers(resources, name)
        made.append(bucket_resource(names, name, bucket, triggers=triggers, folder=folder, test_events=folders))
    for name, function in resources.functions.items():
        for trigger in function.triggers:
            if isinstance(trigger, SqsTrigger):
                made.append(mapping_resource(names, name, trigger))
        made += rules_of_functions(names, name, function)
    made += declared_rules(names, resources)
    made += group_resources(names, resources)
    made += [(arn, command) for _, arn, command in schedule_resources(names, resources)]
    return [Declared(arn, command) for arn, command in made]


def _topics(project: Project, base_url: str | None) -> list[tuple[str, PutResource]]:
    """Topics, then their subscriptions and those of functions' triggers."""
    names, resources = project.names, project.resources
    made = [topic_resource(names, name, topic, base_url=base_url) for name, topic in resources.topics.items()]
    for name, topic in resources.topics.items():
        made += [subscription_resource(names, names.topic(name), each) for each in topic.subscriptions]
    for name, function in resources.functions.items():
        made += [trigger_resource(names, name, each) for each in function.triggers if isinstance(each, SnsTrigger)]
    return made


def code_sha256(folder: Path, *, without: frozenset[str] = frozenset()) -> str:
    """A digest of the code below a folder: names, sizes and times of its Python files.

    `without` are absolute folders that hold no code: the buckets' own.
    """
    digest = sha256()
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name not in _NOT_CODE and os.path.join(place, name) not in without
        )
        for name in sorted(files):
            path = Path(place, name)
            if path.suffix in _CODE:
                with contextlib.suppress(OSError):
                    stat = path.stat()
                    digest.update(f"{path.relative_to(folder)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def bucket_folder(project: Project, folder: str) -> Path:
    """The absolute path of a bucket's folder."""
    return (project.folder / folder).resolve()


def removals(declared: list[Declared], existing: list[tuple[str, str]]) -> list[tuple[str, RemoveResource]]:
    """What to tell resources that exist but are no longer declared; `existing` are (arn, kind) pairs.

    Queues, buckets, topics and archives keep their data and lose only what they trigger; the rest is removed.
    """
    kept = {each.arn for each in declared}
    return [(arn, RemoveResource(wiring_only=kind in KEEPS_DATA)) for arn, kind in existing if arn not in kept]
