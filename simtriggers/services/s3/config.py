"""Buckets as a project writes them, and as decisions use them.

A bucket may be the contents of a folder: then a file that is complete is an object. Which of a folder's
files are temporary names of programs that copy and save is a list of patterns here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from ...aws.arn import Names
from ...aws.contracts import PutResource
from ...aws.quantities import Milliseconds, Settings
from .events import Notification, Overlap, by_event, event_problem, filter_problem, find_overlap
from .lifecycle_rules import LifecycleRule, Rule, parse_rule, rule_row
from .records import BucketFacts, owner_id, user_principal

BUCKET = "bucket"

ALWAYS, ON_REQUEST, NEVER = "always", "on_request", "never"
"""When queues and topics get an s3:TestEvent: also for what the project declares, for a request, never."""

_BUSES = "a bucket sends all its events to EventBridge or none: write eventbridge: true beside notifications"
_REPLICATION = "nothing is copied to another region"
_LOCK = "objects are not locked"
_ENCRYPTION = "nothing is encrypted here"
_CORS = "no browser asks here"
_WEBSITE = "a bucket is no web site here"
_LOGGING = "the trace says who did what"
_ACCESS = "access is not evaluated here: everybody may use every bucket"

DEFAULT_IGNORE = (
    ".*.[A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9]",  # rsync: .name.aB3xYz
    ".rsync-partial/",
    ".~tmp~/",
    "*.part",
    "*.partial",
    "*.crdownload",
    "*.tmp",
    ".goutputstream-*",
    "*~",
    "*.sw[a-p]",
    "*.swx",
    ".#*",
    "#*#",
    "*___jb_tmp___",
    "*___jb_old___",
    ".~lock*",
    "~$*",
    ".nfs*",
    ".DS_Store",
    "._*",
    "Thumbs.db",
    "desktop.ini",
    ".git/",
)
"""Names that programs use while they copy or save: rsync, browsers, editors, office suites, file managers.
With a `/` at its end a pattern is of a folder's name, else of a file's."""


class Trigger(Settings):
    """Which events of a bucket's objects are meant. `id` is the record's configurationId."""

    events: tuple[str, ...] = Field(default=("s3:ObjectCreated:*",), min_length=1)
    prefix: str = ""
    suffix: str = ""
    id: str | None = Field(default=None, min_length=1, max_length=255)

    @field_validator("events")
    @classmethod
    def _known_events(cls, events: tuple[str, ...]) -> tuple[str, ...]:
        for name in events:
            problem = event_problem(name)
            if problem:
                raise ValueError(problem)
        return events

    @field_validator("prefix", "suffix")
    @classmethod
    def _possible_filter(cls, value: str) -> str:
        problem = filter_problem(value)
        if problem:
            raise ValueError(problem)
        return value


class S3Trigger(Trigger):
    """An item of a function's `triggers`: `{s3: BUCKET, events: […], prefix: …, suffix: …}`."""

    s3: str


class BucketNotification(Trigger):
    """An item of a bucket's `notifications`: to a queue, a function or a topic, by name."""

    NOT_YET: ClassVar[dict[str, str]] = {
        "event_bridge": _BUSES,
        "eventbridge": _BUSES,
    }

    queue: str | None = None
    function: str | None = None
    topic: str | None = None

    @model_validator(mode="after")
    def _one_target(self) -> BucketNotification:
        if sum(each is not None for each in (self.queue, self.function, self.topic)) != 1:
            raise ValueError("name one target: queue, function or topic")
        return self


class BucketConfig(Settings):
    """A bucket. `folder` is relative to the project file; without it objects are kept in the state only.

    `initial_files`: what the folder held before the first `up` is taken over without events (`index`) or
    raises them. `changes_while_down`: what came, changed or went between two runs raises events, or is
    only indexed. `quiet_period` is how long a file must rest where the system cannot say whether it is
    still being written. `polling` looks at the folder regularly, for file systems that do not notify
    (network mounts). `ignore` replaces the default patterns of temporary names. `event_version`:
    `classic` (2.1, and 2.3 for tagging, ACLs and lifecycle), `unified` (2.5) or `2.6`. `eventbridge`: all
    events go to the default event bus too. `test_event`: queues and topics get an s3:TestEvent when they
    are configured; unless it is set, live they do, while a virtual run begins with all that long in place.
    Tags that begin with `aws:` are those that CloudFormation would set.
    """

    NOT_YET: ClassVar[dict[str, str]] = {
        "versioning_configuration": "write versioning: enabled",
        "versioned": "write versioning: enabled",
        "lifecycle": "write lifecycle_rules: […]",
        "lifecycle_configuration": "write lifecycle_rules: […]",
        "event_bridge": _BUSES,
        "event_bridge_configuration": _BUSES,
        "replication": _REPLICATION,
        "replication_configuration": _REPLICATION,
        "object_lock": _LOCK,
        "object_lock_enabled": _LOCK,
        "storage_class": "an object is given its storage class when it is put",
        "encryption": _ENCRYPTION,
        "bucket_encryption": _ENCRYPTION,
        "kms_key_id": _ENCRYPTION,
        "policy": _ACCESS,
        "bucket_policy": _ACCESS,
        "acl": _ACCESS,
        "access_control": _ACCESS,
        "public_access_block": _ACCESS,
        "public_access_block_configuration": _ACCESS,
        "ownership_controls": _ACCESS,
        "cors": _CORS,
        "cors_configuration": _CORS,
        "website": _WEBSITE,
        "website_configuration": _WEBSITE,
        "logging": _LOGGING,
        "logging_configuration": _LOGGING,
    }

    folder: str | None = None
    initial_files: Literal["index", "events"] = "index"
    changes_while_down: Literal["events", "index"] = "events"
    quiet_period: Milliseconds = 500
    polling: bool = False
    ignore: tuple[str, ...] = DEFAULT_IGNORE
    event_version: Literal["classic", "unified", "2.6"] = "classic"
    notifications: tuple[BucketNotification, ...] = ()
    versioning: Literal["enabled", "suspended"] | None = None
    eventbridge: bool = False
    test_event: bool | None = None
    tags: dict[str, str] = {}
    lifecycle_rules: tuple[LifecycleRule, ...] = ()

    @field_validator("ignore")
    @classmethod
    def _names_only(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if not pattern.rstrip("/") or "/" in pattern.removesuffix("/"):
                raise ValueError(f"{pattern!r}: write one name, with a / at its end if it is a folder's")
        return patterns


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """A bucket's settings, parsed. `table` holds the notifications by event type (no `s3:`).

    `folder` is an absolute path or empty. `principal` is who acts when a command names nobody. `test_event`
    says which saving of a configuration is followed by test events: ALWAYS, ON_REQUEST or NEVER.
    """

    facts: BucketFacts
    principal: str
    notifications: tuple[Notification, ...]
    table: dict[str, tuple[Notification, ...]]
    folder: str
    initial_files: str
    changes_while_down: str
    quiet_period_ms: int
    polling: bool
    ignore: tuple[str, ...]
    account: str = ""
    versioning: str = ""
    eventbridge: bool = False
    bus: str = ""
    test_event: str = ON_REQUEST
    tags: tuple[tuple[str, str], ...] = ()
    lifecycle: tuple[Rule, ...] = ()


def parse_notification(row: dict[str, Any]) -> Notification:
    """A notification of a resource row."""
    rules = row.get("rules")
    if rules is None:
        rules = [name for name in ("Prefix", "Suffix") if row[name.lower()]]
    return Notification(row["id"], row["arn"], tuple(row["events"]), row["prefix"], row["suffix"], tuple(rules))


def parse_bucket(config: dict[str, Any]) -> BucketSettings:
    """The settings that a resource row holds."""
    notifications = tuple(map(parse_notification, config["notifications"]))
    name, account, region = config["name"], config["account"], config["region"]
    tags = tuple(config.get("tags", {}).items())
    generated = tuple(tag for tag in tags if tag[0].startswith("aws:"))
    version = config["event_version"]
    return BucketSettings(
        facts=BucketFacts(name, f"arn:aws:s3:::{name}", region, owner_id(account), version, generated),
        principal=user_principal(account),
        notifications=notifications,
        table=by_event(notifications),
        folder=config["folder"],
        initial_files=config["initial_files"],
        changes_while_down=config["changes_while_down"],
        quiet_period_ms=config["quiet_period_ms"],
        polling=config["polling"],
        ignore=tuple(config["ignore"]),
        account=account,
        versioning=config.get("versioning", ""),
        eventbridge=config.get("eventbridge", False),
        bus=f"arn:aws:events:{region}:{account}:event-bus/default",
        test_event=config.get("test_event", ON_REQUEST),
        tags=tags,
        lifecycle=tuple(parse_rule(row) for row in config.get("lifecycle_rules", ())),
    )


def bucket_notifications(
    names: Names, config: BucketConfig, triggers: Sequence[tuple[str, S3Trigger]]
) -> tuple[Notification, ...]:
    """A bucket's own notifications and those that functions' triggers ask for, as (function, trigger).

    One without an id is named after its target and place, since AWS's generated ids are not known.
    """
    wanted: list[tuple[str, str, Trigger]] = []
    for one in config.notifications:
        if one.queue is not None:
            wanted.append((one.queue, names.queue(one.queue), one))
        elif one.topic is not None:
            wanted.append((one.topic, names.topic(one.topic), one))
        else:
            assert one.function is not None
            wanted.append((one.function, names.function(one.function), one))
    wanted.extend((function, names.function(function), trigger) for function, trigger in triggers)
    return tuple(
        Notification(trigger.id or f"{target}-{place}", arn, trigger.events, trigger.prefix, trigger.suffix)
        for place, (target, arn, trigger) in enumerate(wanted, start=1)
    )


def overlap_of(names: Names, config: BucketConfig, triggers: Sequence[tuple[str, S3Trigger]]) -> Overlap | None:
    """The two configurations that AWS would refuse to have beside each other, or None."""
    return find_overlap(bucket_notifications(names, config, triggers))


def _test_event(wanted: bool | None, default: bool) -> str:
    if wanted is None:
        return ALWAYS if default else ON_REQUEST
    return ALWAYS if wanted else NEVER


def bucket_resource(
    names: Names,
    name: str,
    config: BucketConfig,
    *,
    triggers: Sequence[tuple[str, S3Trigger]] = (),
    folder: str | None = None,
    test_events: bool = False,
) -> tuple[str, PutResource]:
    """The ARN of a bucket and the command that creates it or brings it up to date.

    `triggers` are (function name, trigger) pairs of this bucket; `folder` is the absolute path (None: no
    folder, as in virtual runs). `test_events`: what `test_event` is unless the project says. Targets must
    exist before the command is stepped.
    """
    row: dict[str, Any] = {
        "name": name,
        "region": names.region,
        "account": names.account,
        "folder": folder or "",
        "initial_files": config.initial_files,
        "changes_while_down": config.changes_while_down,
        "quiet_period_ms": config.quiet_period,
        "polling": config.polling,
        "ignore": list(config.ignore),
        "event_version": config.event_version,
        "notifications": [
            {
                "id": one.id,
                "arn": one.arn,
                "events": list(one.events),
                "prefix": one.prefix,
                "suffix": one.suffix,
            }
            for one in bucket_notifications(names, config, triggers)
        ],
        "versioning": config.versioning or "",
        "eventbridge": config.eventbridge,
        "test_event": _test_event(config.test_event, test_events),
        "tags": config.tags,
        "lifecycle_rules": [rule_row(rule, place) for place, rule in enumerate(config.lifecycle_rules, start=1)],
    }
    return names.bucket(name), PutResource(BUCKET, name, row)
