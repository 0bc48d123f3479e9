"""Lifecycle rules as a project writes them, and as the daily turn uses them.

Source: S3 User Guide, "Lifecycle configuration elements"; API reference, PutBucketLifecycleConfiguration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ...aws.quantities import Settings

Days = Annotated[int, Field(ge=1, le=100_000, strict=True)]
FromDayZero = Annotated[int, Field(ge=0, le=100_000, strict=True)]

StorageClass = Literal[
    "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE",
    "GLACIER_IR",
]  # fmt: skip
STORAGE_CLASSES: tuple[str, ...] = StorageClass.__args__  # type: ignore[attr-defined]
ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Classes whose objects must be restored before they can be read."""


class Expiration(Settings):
    """When current objects go: so many `days` after they were made; or, alone, delete markers without
    versions."""

    days: Days | None = None
    expired_object_delete_marker: bool = False

    @model_validator(mode="after")
    def _one(self) -> Expiration:
        if (self.days is not None) == self.expired_object_delete_marker:
            raise ValueError("write days, or expired_object_delete_marker: true")
        return self


class Transition(Settings):
    """Another storage class, so many `days` after an object was made."""

    days: FromDayZero
    storage_class: Literal["STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE", "GLACIER_IR"]


class NoncurrentExpiration(Settings):
    """Earlier versions go so many days after they were replaced."""

    noncurrent_days: Days


class AbortUploads(Settings):
    """Uploads in parts go so many days after they began."""

    days_after_initiation: Days


class LifecycleRule(Settings):
    """An item of a bucket's `lifecycle_rules`, for keys with a prefix."""

    id: str | None = Field(default=None, min_length=1, max_length=255)
    enabled: bool = True
    prefix: str = Field(default="", max_length=1024)
    expiration: Expiration | None = None
    transitions: tuple[Transition, ...] = ()
    noncurrent_version_expiration: NoncurrentExpiration | None = None
    abort_incomplete_multipart_upload: AbortUploads | None = None

    @model_validator(mode="after")
    def _something(self) -> LifecycleRule:
        acts = (self.expiration, self.noncurrent_version_expiration, self.abort_incomplete_multipart_upload)
        if not self.transitions and all(act is None for act in acts):
            raise ValueError("At least one action needs to be specified in a rule")
        days = self.expiration.days if self.expiration is not None else None
        if days is not None and any(one.days >= days for one in self.transitions):
            raise ValueError("'Days' in the Expiration action must be greater than 'Days' in the Transition action")
        return self


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, parsed; numbers are days, None for what it does not do."""

    id: str
    prefix: str
    days: int | None
    markers: bool
    transitions: tuple[tuple[int, str], ...]
    noncurrent_days: int | None
    upload_days: int | None


def rule_row(rule: LifecycleRule, place: int) -> dict[str, Any]:
    """A rule as a resource row holds it; one without an id is named after its place."""
    return {**rule.model_dump(mode="json"), "id": rule.id or f"rule-{place}"}


def parse_rule(row: dict[str, Any]) -> Rule:
    """A rule of a resource row; one that is off does nothing."""
    if not row["enabled"]:
        return Rule(row["id"], "", None, False, (), None, None)
    expiration = row["expiration"] or {}
    return Rule(
        row["id"],
        row["prefix"],
        expiration.get("days"),
        expiration.get("expired_object_delete_marker", False),
        tuple((one["days"], one["storage_class"]) for one in row["transitions"]),
        (row["noncurrent_version_expiration"] or {}).get("noncurrent_days"),
        (row["abort_incomplete_multipart_upload"] or {}).get("days_after_initiation"),
    )
