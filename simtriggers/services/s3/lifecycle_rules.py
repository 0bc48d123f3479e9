"""Lifecycle rules as a project writes them, and as the daily turn uses them.

Source: S3 User Guide, "Lifecycle configuration elements"; API reference, PutBucketLifecycleConfiguration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from ...aws.quantities import Bytes, Settings
from ...kernel.clock import parse_iso
from ...kernel.codec import to_json

DAY_MS = 86_400_000

Days = Annotated[int, Field(ge=1, le=100_000, strict=True)]
FromDayZero = Annotated[int, Field(ge=0, le=100_000, strict=True)]
Kept = Annotated[int, Field(ge=1, le=100, strict=True)]


def _midnight(item: Any) -> int:
    """Milliseconds of a date, `2026-03-01`, or of a midnight UTC in ISO form."""
    text = str(item)
    try:
        at_ms = parse_iso(f"{text}T00:00:00Z" if len(text) == len("2026-03-01") else text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date; write one such as 2026-03-01") from None
    if at_ms % DAY_MS:
        raise ValueError("'Date' must be at midnight GMT; write a date alone, such as 2026-03-01")
    return at_ms


Date = Annotated[int, BeforeValidator(_midnight), WithJsonSchema({"type": "string", "format": "date"})]

StorageClass = Literal[
    "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE",
    "GLACIER_IR",
]  # fmt: skip
STORAGE_CLASSES: tuple[str, ...] = StorageClass.__args__  # type: ignore[attr-defined]
ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Classes whose objects must be restored before they can be read."""

Colder = Literal["STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE", "GLACIER_IR"]
_WATERFALL = (
    "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER",
    "DEEP_ARCHIVE",
)  # fmt: skip


def coldness(storage_class: str) -> int:
    """A colder class has the higher one."""
    return _WATERFALL.index(storage_class)


def warmer(storage_class: str) -> str:
    """The classes from which a rule moves objects into this one, as JSON: never back up. Source: S3 User
    Guide, "Transitioning objects using Amazon S3 Lifecycle"."""
    return to_json(_WATERFALL[: coldness(storage_class)])


class Expiration(Settings):
    """When current objects go: so many `days` after they were made, or all on a `date` and from then on; or,
    alone, delete markers without versions."""

    days: Days | None = None
    date: Date | None = None
    expired_object_delete_marker: bool = False

    @model_validator(mode="after")
    def _one(self) -> Expiration:
        given = (self.days is not None, self.date is not None, self.expired_object_delete_marker)
        if sum(given) != 1:
            raise ValueError("write days, or date, or expired_object_delete_marker: true")
        return self


class Transition(Settings):
    """Another storage class, so many `days` after an object was made, or on a `date`."""

    days: FromDayZero | None = None
    date: Date | None = None
    storage_class: Colder

    @model_validator(mode="after")
    def _one(self) -> Transition:
        if (self.days is None) == (self.date is None):
            raise ValueError("write days, or date")
        return self


class NoncurrentExpiration(Settings):
    """Earlier versions go so many days after they were replaced, but for as many of the newest ones as
    `newer_noncurrent_versions` says."""

    noncurrent_days: Days
    newer_noncurrent_versions: Kept | None = None


class NoncurrentTransition(NoncurrentExpiration):
    """The same, with another storage class as what becomes of them."""

    noncurrent_days: FromDayZero
    storage_class: Colder


class AbortUploads(Settings):
    """Uploads in parts go so many days after they began."""

    days_after_initiation: Days


class LifecycleRule(Settings):
    """An item of a bucket's `lifecycle_rules`, for objects that fulfil all of its conditions: `prefix`, `tags`
    and sizes, which S3 writes as a Filter, several of them with And."""

    NOT_YET: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("filter", "and", "tag"), "write prefix, tags and object_size_… in the rule itself"),
        "status": "write enabled: true or false",
        "transition": "write transitions: […]",
        "noncurrent_version_transition": "write noncurrent_version_transitions: […]",
    }

    id: str | None = Field(default=None, min_length=1, max_length=255)
    enabled: bool = True
    prefix: str = Field(default="", max_length=1024)
    tags: dict[str, str] = {}
    object_size_greater_than: Bytes | None = Field(default=None, ge=0)
    object_size_less_than: Bytes | None = Field(default=None, ge=1)
    expiration: Expiration | None = None
    transitions: tuple[Transition, ...] = ()
    noncurrent_version_expiration: NoncurrentExpiration | None = None
    noncurrent_version_transitions: tuple[NoncurrentTransition, ...] = ()
    abort_incomplete_multipart_upload: AbortUploads | None = None

    @model_validator(mode="after")
    def _something(self) -> LifecycleRule:
        acts = (self.expiration, self.noncurrent_version_expiration, self.abort_incomplete_multipart_upload)
        moves = (*self.transitions, *self.noncurrent_version_transitions)
        if not moves and all(act is None for act in acts):
            raise ValueError("At least one action needs to be specified in a rule")
        above, below = self.object_size_greater_than, self.object_size_less_than
        if above is not None and below is not None and below <= above:
            raise ValueError("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'")
        self._check_times()
        self._check_filter()
        return self

    def _check_times(self) -> None:
        """Of one rule, either days or dates; the expiration comes last."""
        ends = self.expiration
        days = [one.days for one in self.transitions if one.days is not None]
        dates = [one.date for one in self.transitions if one.date is not None]
        end_days = None if ends is None else ends.days
        end_date = None if ends is None else ends.date
        if (days or end_days is not None) and (dates or end_date is not None):
            raise ValueError("Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule")
        if end_days is not None and any(one >= end_days for one in days):
            raise ValueError("'Days' in the Expiration action must be greater than 'Days' in the Transition action")
        if end_date is not None and any(one >= end_date for one in dates):
            raise ValueError("'Date' in the Expiration action must be later than 'Date' in the Transition action")

    def _check_filter(self) -> None:
        """What belongs to no object has neither tags nor a size."""
        sized = self.object_size_greater_than is not None or self.object_size_less_than is not None
        other = "Tags" if self.tags else "Object Size" if sized else ""
        if not other:
            return
        if self.abort_incomplete_multipart_upload is not None:
            raise ValueError(f"AbortIncompleteMultipartUpload cannot be specified with {other}")
        if self.expiration is not None and self.expiration.expired_object_delete_marker:
            raise ValueError(f"ExpiredObjectDeleteMarker cannot be specified with {other}")


@dataclass(frozen=True, slots=True)
class When:
    """Days after something, or a midnight from which on all is due."""

    days: int | None = None
    date_ms: int | None = None

    def cutoff(self, midnight: int) -> int | None:
        """What was made by then is due at `midnight`; None for nothing."""
        if self.days is not None:
            return midnight - self.days * DAY_MS
        return midnight if self.date_ms is not None and self.date_ms <= midnight else None

    def order(self) -> int:
        """Later ones of a rule have the higher one."""
        return self.days if self.days is not None else self.date_ms or 0


@dataclass(frozen=True, slots=True)
class Which:
    """The objects that a rule is about. `tags` is a JSON object; sizes are exclusive bounds in bytes."""

    prefix: str
    tags: str = "{}"
    above: int = -1
    below: int = 1 << 62


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, parsed; None and () for what it does not do. `old` are (days, how many are kept) of earlier
    versions, `old_moves` the same with a storage class."""

    id: str
    which: Which
    expires: When | None = None
    markers: bool = False
    transitions: tuple[tuple[When, str], ...] = ()
    old: tuple[int, int] | None = None
    old_moves: tuple[tuple[int, int, str], ...] = ()
    upload_days: int | None = None


def rule_row(rule: LifecycleRule, place: int) -> dict[str, Any]:
    """A rule as a resource row holds it; one without an id is named after its place."""
    return {**rule.model_dump(mode="json"), "id": rule.id or f"rule-{place}"}


def parse_rule(row: dict[str, Any]) -> Rule:
    """A rule of a resource row; one that is off does nothing."""
    if not row["enabled"]:
        return Rule(row["id"], Which(""))
    expiration = row["expiration"] or {}
    ends = When(expiration.get("days"), expiration.get("date"))
    old = row["noncurrent_version_expiration"]
    return Rule(
        row["id"],
        _which(row),
        None if ends == When() else ends,
        expiration.get("expired_object_delete_marker", False),
        tuple((When(one.get("days"), one.get("date")), one["storage_class"]) for one in row["transitions"]),
        None if old is None else _old(old),
        tuple((*_old(one), one["storage_class"]) for one in row.get("noncurrent_version_transitions", ())),
        (row["abort_incomplete_multipart_upload"] or {}).get("days_after_initiation"),
    )


def _which(row: dict[str, Any]) -> Which:
    above, below = row.get("object_size_greater_than"), row.get("object_size_less_than")
    tags = to_json(row["tags"]) if row.get("tags") else "{}"
    return Which(row["prefix"], tags, -1 if above is None else above, 1 << 62 if below is None else below)


def _old(row: dict[str, Any]) -> tuple[int, int]:
    return row["noncurrent_days"], row.get("newer_noncurrent_versions") or 0
