"""Commands and values that may be stored: declared once, written as JSON, read back as the same value.

A *command* is what an agenda entry carries; it also names what happens when it is overdue (the process
was down, the laptop slept). A *value* is a part of a command or an answer. Both are fixed dataclasses
with slots (see fixed.py); their fields hold only None, bool, int, float, str, bytes, tuples, JSON dicts and other
values, so that the agenda can be written to the database and read by a later process.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, TypeVar, dataclass_transform

from .fixed import fixed

T = TypeVar("T")

_TAG = "$type"
_registry: dict[str, type[Any]] = {}
_names: dict[type[Any], str] = {}
_fields: dict[type[Any], tuple[str, ...]] = {}


class Overdue(Enum):
    """What becomes of an entry that is taken later than it was due."""

    RUN = "run"
    """At once: deliveries, retries, visibility, checkpoints."""
    SKIP = "skip"
    """Not made up for, but noted: recurring schedules."""
    COALESCE = "coalesce"
    """Once for all missed turns: retention, time to live, trimming."""


def _register(cls: type[T]) -> type[T]:
    made = fixed(cls)
    name = f"{made.__module__.rsplit('.', 2)[-2]}.{made.__name__}"
    known = _registry.get(name)
    assert known is None or known.__module__ == made.__module__, f"two stored types are named {name}"
    _registry[name] = made
    _names[made] = name
    _fields[made] = tuple(field.name for field in dataclasses.fields(made))  # type: ignore[arg-type]
    return made


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make `cls` a fixed dataclass with slots that can be stored inside an agenda entry."""
    return _register(cls)


@dataclass_transform(frozen_default=True)
def command(overdue: Overdue) -> Callable[[type[T]], type[T]]:
    """Make a class a storable command; `overdue` says what happens when it is taken late."""

    def make(cls: type[T]) -> type[T]:
        made = _register(cls)
        _overdue[made] = overdue
        return made

    return make


_overdue: dict[type[Any], Overdue] = {}


def overdue_of(cls: type[Any]) -> Overdue:
    """The overdue policy of a command's class; answers carried as commands run at once."""
    return _overdue.get(cls, Overdue.RUN)


def type_name(item: object) -> str:
    """The stored name of a command or value, such as `sqs.SendMessage`."""
    return _names.get(type(item)) or type(item).__name__


def _default(item: object) -> object:
    names = _fields.get(type(item))
    if names is not None:
        row: dict[str, object] = {_TAG: _names[type(item)]}
        for name in names:
            row[name] = _guarded(getattr(item, name))
        return row
    if isinstance(item, bytes):
        return {_TAG: "bytes", "base64": base64.b64encode(item).decode()}
    raise TypeError(f"{type(item).__name__} cannot be stored in the agenda")


def _guarded(item: object) -> object:
    """A user's JSON may hold our tag as a key: such a document is kept as text."""
    if type(item) is dict:
        text = to_json(item)
        return {_TAG: "json", "text": text} if _TAG in text else item
    if type(item) is tuple:
        return [_guarded(part) for part in item]
    return item


def _tuples(item: object) -> object:
    return tuple(_tuples(part) for part in item) if isinstance(item, list) else item


def _object(row: dict[str, Any]) -> object:
    name = row.pop(_TAG, None)
    if name is None:
        return row
    if name == "bytes":
        return base64.b64decode(row["base64"])
    if name == "json":
        return json.loads(row["text"])
    return _registry[name](**{key: _tuples(item) for key, item in row.items()})


def _chunks_of(encoder: json.JSONEncoder) -> Callable[[object, int], Iterable[str]]:
    """What `encode` makes anew at each call, made once: for small values that is half of the work."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # a Python without the C accelerator
        return lambda item, level: encoder.iterencode(item)
    text, colon, comma = json.encoder.encode_basestring, encoder.key_separator, encoder.item_separator
    chunks: Callable[[object, int], Iterable[str]] = make(
        None, encoder.default, text, None, colon, comma, encoder.sort_keys, encoder.skipkeys, encoder.allow_nan
    )
    return chunks


_encoder_chunks = _chunks_of(json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=_default))
_decoder = json.JSONDecoder(object_hook=_object)


def encode(item: object) -> str:
    """The JSON text of a command, value or None."""
    return "".join(_encoder_chunks(_guarded(item), 0))


def decode(text: str) -> Any:
    """The command or value that `encode` wrote. Raises KeyError for a type this version does not know."""
    return _tuples(_decoder.decode(text))


_compact_chunks = _chunks_of(json.JSONEncoder(separators=(",", ":"), ensure_ascii=False))


def to_json(item: object) -> str:
    """Compact JSON with raw non-ASCII: the one encoder for event records, details and payloads.

    Raises RecursionError for a value that contains itself.
    """
    return "".join(_compact_chunks(item, 0))
