"""`@fixed`: a frozen dataclass with slots for values that are made by the thousand.

A dataclass that is frozen at run time takes three to five times as long to make, since every field goes through
`object.__setattr__`. Here the type checker alone refuses assignments (`mypy --strict` runs over everything).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def fixed(cls: type[T]) -> type[T]:
    """Make `cls` a dataclass with slots, compared and hashed by its fields, that nobody may assign to."""
    made: Any = dataclasses.dataclass(slots=True, eq=False, repr=False)(cls)
    # Closures, where dataclass would compile three texts: with hundreds of classes that is felt at each start.
    own = cls.__dict__
    if "__eq__" not in own:
        values = _values_of([field.name for field in dataclasses.fields(made) if field.compare])

        def same(self: Any, other: Any) -> Any:
            return values(self) == values(other) if other.__class__ is made else NotImplemented

        def hashed(self: Any) -> int:
            return hash(values(self))

        made.__eq__, made.__hash__ = same, hashed
    if "__repr__" not in own:
        made.__repr__ = _shown
    result: type[T] = made
    return result


def _values_of(names: list[str]) -> Callable[[Any], Any]:
    return attrgetter(*names) if names else lambda item: ()


def _shown(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def altered(item: T, /, **changes: Any) -> T:
    """A copy with other values in some fields: `dataclasses.replace` for fixed values, three times as fast.

    Raises TypeError for a field that there is not.
    """
    cls: Any = type(item)
    names, values = _fields(cls)
    made: T = cls(**{**dict(zip(names, values(item), strict=True)), **changes})
    return made


@lru_cache(maxsize=1024)
def _fields(cls: type[Any]) -> tuple[tuple[str, ...], attrgetter[Any]]:
    names = tuple(field.name for field in dataclasses.fields(cls))
    assert len(names) > 1, f"{cls.__name__} has one field, make a new one"
    return names, attrgetter(*names)
