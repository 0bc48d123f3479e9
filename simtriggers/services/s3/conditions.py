"""Conditional requests, ranges, and what S3 refuses of an object's properties.

Source: S3 User Guide, "Conditional requests"; API reference, GetObject, PutObject; RFC 9110.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

from ...kernel.codec import to_json
from ...kernel.effects import Refused
from .commands import Conditions, Properties, StoredObject
from .lifecycle_rules import STORAGE_CLASSES

NO_SUCH_KEY = Refused("NoSuchKey", "The specified key does not exist.", 404)
NOT_MODIFIED = Refused("NotModified", "Not Modified", 304)
_FAILED = "At least one of the pre-conditions you specified did not hold"

TAGS_OF_OBJECT, TAG_KEY, TAG_VALUE = 10, 128, 256
METADATA_BYTES = 2048
SIZE_LIMIT = 5 * 1024**3


def _failed(condition: str) -> Refused:
    return Refused("PreconditionFailed", _FAILED, 412, fields=(("Condition", condition),))


def _etags(text: str) -> list[str]:
    return [one.strip().removeprefix("W/").strip('"') for one in text.split(",")]


def write_refused(conditions: Conditions | None, etag: str | None, key: str) -> Refused | None:
    """Why a write is not made: `etag` is that of the object which is there, None for no object."""
    if conditions is None:
        return None
    wanted, unwanted = conditions.if_match, conditions.if_none_match
    if unwanted is not None:
        if unwanted != "*":
            return Refused(
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
                501,
                fields=(("Header", "If-None-Match"),),
            )
        if etag is not None:
            return _failed("If-None-Match")
    if wanted is not None:
        if etag is None:
            return Refused(NO_SUCH_KEY.code, NO_SUCH_KEY.message, 404, fields=(("Key", key),))
        if wanted != "*" and etag not in _etags(wanted):
            return _failed("If-Match")
    return None


def read_refused(conditions: Conditions | None, etag: str, modified_ms: int) -> Refused | None:
    """Why a read is not answered with the object: 412, or 304. Times count in whole seconds."""
    if conditions is None:
        return None
    at_s = modified_ms // 1000
    if conditions.if_match is not None:
        if conditions.if_match != "*" and etag not in _etags(conditions.if_match):
            return _failed("If-Match")
    elif conditions.if_unmodified_since_ms is not None and at_s > conditions.if_unmodified_since_ms // 1000:
        return _failed("If-Unmodified-Since")
    if conditions.if_none_match is not None:
        if conditions.if_none_match == "*" or etag in _etags(conditions.if_none_match):
            return NOT_MODIFIED
    elif conditions.if_modified_since_ms is not None and at_s <= conditions.if_modified_since_ms // 1000:
        return NOT_MODIFIED
    return None


def copy_refused(conditions: Conditions | None, etag: str, modified_ms: int) -> Refused | None:
    """As `read_refused`, for the source of a copy, where 304 becomes 412."""
    refused = read_refused(conditions, etag, modified_ms)
    if refused is not NOT_MODIFIED:
        return refused
    assert conditions is not None
    matched = conditions.if_none_match is not None
    return _failed("x-amz-copy-source-If-None-Match" if matched else "x-amz-copy-source-If-Modified-Since")


# --- ranges --------------------------------------------------------------------------------------

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def bounds_of(text: str, size: int) -> tuple[int, int] | Refused | None:
    """First and last byte of a Range header; None for one that is ignored (malformed, or of several
    parts, which S3 does not serve)."""
    found = _RANGE.fullmatch(text.replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        return None
    if found[1]:
        first = int(found[1])
        last = min(int(found[2]), size - 1) if found[2] else size - 1
        if found[2] and int(found[2]) < first:
            return None
    else:
        first, last = max(0, size - int(found[2])), size - 1
    if first >= size or (not found[1] and int(found[2]) == 0):
        return Refused(
            "InvalidRange",
            "The requested range is not satisfiable",
            416,
            fields=(("RangeRequested", text), ("ActualObjectSize", str(size))),
        )
    return first, last


def ranged(stored: StoredObject, text: str) -> StoredObject | Refused:
    """The part of an object that a Range header asks for, as bytes, or the whole."""
    size = stored.info.size
    bounds = bounds_of(text, size) if text else None
    if bounds is None or isinstance(bounds, Refused):
        return bounds or stored
    if stored.body is None:
        return stored
    raw = stored.body.encode("utf-8", "surrogatepass") if isinstance(stored.body, str) else stored.body
    first, last = bounds
    return StoredObject(stored.info, raw[first : last + 1], f"bytes {first}-{last}/{size}")


# --- properties ----------------------------------------------------------------------------------


def tags_refused(tags: tuple[tuple[str, str], ...]) -> Refused | None:
    """What S3 answers to tags that an object cannot have."""
    if len(tags) > TAGS_OF_OBJECT:
        return Refused("BadRequest", "Object tags cannot be greater than 10")
    for name, text in tags:
        if not 1 <= len(name) <= TAG_KEY:
            return _invalid_tag("The TagKey you have provided is invalid", ("TagKey", name))
        if len(text) > TAG_VALUE:
            return _invalid_tag("The TagValue you have provided is invalid", ("TagValue", text))
        if name.startswith("aws:"):
            return _invalid_tag("System tags cannot be added/updated by requester", ("TagKey", name))
    if len({name for name, _ in tags}) < len(tags):
        return _invalid_tag("Cannot provide multiple Tags with the same key", ("TagKey", tags[-1][0]))
    return None


def _invalid_tag(message: str, field: tuple[str, str]) -> Refused:
    return Refused("InvalidTag", message, fields=(field,))


def properties_refused(given: Properties) -> Refused | None:
    """What S3 answers to properties that an object cannot have."""
    if given.storage_class not in STORAGE_CLASSES:
        return Refused(
            "InvalidStorageClass",
            "The storage class you specified is not valid",
            fields=(("StorageClassRequested", given.storage_class),),
        )
    size = sum(len(name.encode()) + len(text.encode("utf-8", "surrogatepass")) for name, text in given.metadata)
    if size > METADATA_BYTES:
        return Refused(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
            fields=(("Size", str(size)), ("MaxSizeAllowed", str(METADATA_BYTES))),
        )
    return tags_refused(given.tags)


@lru_cache(maxsize=256)
def more_of(given: Properties) -> str:
    """What a row's `more` holds of properties: JSON, or '' for nothing. Names of metadata in lower case."""
    found: dict[str, object] = {
        "metadata": {name.lower(): text for name, text in given.metadata},
        "headers": dict(given.headers),
        "tags": dict(given.tags),
        "acl": given.acl,
    }
    kept = {name: item for name, item in found.items() if item}
    return to_json(kept) if kept else ""


def properties_of(storage_class: str, more: str) -> Properties:
    """The properties of which `more_of` was made."""
    known = json.loads(more) if more else {}
    metadata, tags, headers = (tuple(known.get(name, {}).items()) for name in ("metadata", "tags", "headers"))
    return Properties(metadata, tags, storage_class, headers, known.get("acl", ""))
