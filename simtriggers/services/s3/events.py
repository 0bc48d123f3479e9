"""Event names, key encoding, filters and the rules of a bucket's notification configuration. Pure.

Source: AWS S3 User Guide, "Supported event types and destinations", "Configuring event notifications
using object key name filtering", "Event message structure"; API reference, `Event` enumeration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from urllib.parse import quote_plus

CREATED_PUT = "ObjectCreated:Put"
CREATED_POST = "ObjectCreated:Post"
CREATED_COPY = "ObjectCreated:Copy"
CREATED_MULTIPART = "ObjectCreated:CompleteMultipartUpload"
REMOVED_DELETE = "ObjectRemoved:Delete"
REMOVED_MARKER = "ObjectRemoved:DeleteMarkerCreated"
TAGGING_PUT = "ObjectTagging:Put"
TAGGING_DELETE = "ObjectTagging:Delete"
ACL_PUT = "ObjectAcl:Put"
RESTORE_POST = "ObjectRestore:Post"
RESTORE_COMPLETED = "ObjectRestore:Completed"
RESTORE_DELETE = "ObjectRestore:Delete"
EXPIRED_DELETE = "LifecycleExpiration:Delete"
EXPIRED_MARKER = "LifecycleExpiration:DeleteMarkerCreated"
TRANSITION = "LifecycleTransition"

CREATED_BY = {
    "PutObject": CREATED_PUT,
    "POST Object": CREATED_POST,
    "CopyObject": CREATED_COPY,
    "CompleteMultipartUpload": CREATED_MULTIPART,
}
"""The event that each operation which makes an object raises."""

_FAMILIES: dict[str, tuple[str, ...]] = {
    "ObjectCreated": ("Put", "Post", "Copy", "CompleteMultipartUpload"),
    "ObjectRemoved": ("Delete", "DeleteMarkerCreated"),
    "ObjectRestore": ("Post", "Completed", "Delete"),
    "Replication": (
        "OperationFailedReplication",
        "OperationMissedThreshold",
        "OperationReplicatedAfterThreshold",
        "OperationNotTracked",
    ),
    "LifecycleExpiration": ("Delete", "DeleteMarkerCreated"),
    "ObjectTagging": ("Put", "Delete"),
    "ObjectAnnotation": ("Put", "Delete"),
}
_SINGLE = (
    "ReducedRedundancyLostObject",
    "LifecycleTransition",
    "IntelligentTiering",
    "ObjectAcl:Put",
    "ObjectRetention:Put",
)

MEMBERS: dict[str, tuple[str, ...]] = {
    **{f"s3:{family}:*": tuple(f"{family}:{one}" for one in ones) for family, ones in _FAMILIES.items()},
    **{f"s3:{family}:{one}": (f"{family}:{one}",) for family, ones in _FAMILIES.items() for one in ones},
    **{f"s3:{name}": (name,) for name in _SINGLE},
}
"""Every event name that the API takes, with the event types (no `s3:`) that it stands for."""

CAUSED_HERE = frozenset(
    {
        *CREATED_BY.values(), REMOVED_DELETE, REMOVED_MARKER, TAGGING_PUT, TAGGING_DELETE, ACL_PUT,
        RESTORE_POST, RESTORE_COMPLETED, RESTORE_DELETE, EXPIRED_DELETE, EXPIRED_MARKER, TRANSITION,
    }
)  # fmt: skip
"""Event types that something in simtriggers raises so far."""

FILTER_LIMIT = 1024
"""Characters of a prefix or suffix."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_./*~-]*")
_ENCODED = re.compile(r"(?:[A-Za-z0-9_./*~+-]|%[0-9A-F]{2})*")


def encode_key(key: str) -> str:
    """The key as records and filters have it: form-encoded UTF-8, `/` and `*` left alone.

    >>> encode_key("incoming/café menu (1)+.json")
    'incoming/caf%C3%A9+menu+%281%29%2B.json'

    Unverified: `*` and `~` are left alone.
    """
    if _PLAIN_KEY.fullmatch(key):
        return key
    return quote_plus(key, safe="/*")


def event_problem(name: str) -> str | None:
    """Why a project cannot ask for an event, or None."""
    members = MEMBERS.get(name)
    if members is None:
        known = ", ".join(sorted(MEMBERS))
        return f"{name!r} is not an S3 event; AWS knows {known}"
    if not CAUSED_HERE.intersection(members):
        supported = ", ".join(sorted(event for event in MEMBERS if CAUSED_HERE.intersection(MEMBERS[event])))
        return f"{name} is not supported yet: nothing in simtriggers raises it; supported are {supported}"
    return None


def filter_problem(value: str) -> str | None:
    """Why a prefix or suffix could never match, or None. S3 compares filters with the encoded key."""
    if len(value) > FILTER_LIMIT:
        return f"a filter has at most 1,024 characters, this one has {len(value):,}"
    if _ENCODED.fullmatch(value):
        return None
    right = encode_key(value)
    return f"{value!r} never matches, because S3 compares filters with the encoded key; write {right!r}"


@dataclass(frozen=True, slots=True)
class Notification:
    """One configuration: events (`s3:ObjectCreated:*`) of keys with that prefix and suffix go to `arn`.

    `rules` names the filter rules that were given, in their order: an empty value is one too."""

    id: str
    arn: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""
    rules: tuple[str, ...] = ()

    def types(self) -> frozenset[str]:
        """The event types it asks for, without `s3:`; unknown names count as themselves."""
        found: set[str] = set()
        for name in self.events:
            found.update(MEMBERS.get(name, (name.removeprefix("s3:"),)))
        return frozenset(found)

    def matches_key(self, encoded_key: str) -> bool:
        """Both filters hold; an empty one always does."""
        return encoded_key.startswith(self.prefix) and encoded_key.endswith(self.suffix)


_SHARED_EVENT = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
_AMBIGUOUS = (
    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are"
    " overlapping for the same event type."
)


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two configurations that one event could match, and what AWS says of them."""

    first: Notification
    second: Notification
    message: str


def _related(first: str, second: str, *, ends: bool) -> bool:
    if ends:
        return first.endswith(second) or second.endswith(first)
    return first.startswith(second) or second.startswith(first)


def find_overlap(notifications: Sequence[Notification]) -> Overlap | None:
    """The first pair that shares an event type while prefixes and suffixes are related, or None.

    Where they go does not matter. Unverified: which of AWS's two messages stands when only one of the
    two has a filter; here the one about suffixes.
    """
    for first, second in combinations(notifications, 2):
        if not first.types() & second.types():
            continue
        prefixes = _related(first.prefix, second.prefix, ends=False)
        if prefixes and _related(first.suffix, second.suffix, ends=True):
            filtered = any((first.prefix, first.suffix, second.prefix, second.suffix))
            return Overlap(first, second, _AMBIGUOUS if filtered else _SHARED_EVENT)
    return None


def by_event(notifications: Iterable[Notification]) -> dict[str, tuple[Notification, ...]]:
    """Configurations by event type, in their own order."""
    table: dict[str, tuple[Notification, ...]] = {}
    for one in notifications:
        for event in sorted(one.types()):
            table[event] = (*table.get(event, ()), one)
    return table


@lru_cache(maxsize=1)
def _name_rule() -> re.Pattern[str]:
    return re.compile(r"(?!.*\.\.)(?!xn--)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def bucket_name_problem(name: str) -> str | None:
    """Why a name cannot be a bucket's, or None. Source: S3 User Guide, "Bucket naming rules"."""
    if _name_rule().fullmatch(name):
        return None
    return (
        f"{name!r} is not a bucket name: 3 to 63 of a-z, 0-9, '.' and '-', beginning and ending with a letter"
        " or digit, no two dots together, not an IP address"
    )


def key_bytes(key: str) -> int:
    """The length of a key as S3 counts it: UTF-8 bytes."""
    return len(key) if key.isascii() else len(key.encode("utf-8", "surrogatepass"))
