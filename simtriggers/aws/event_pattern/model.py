"""What a compiled pattern is: branches of fields, each with the alternatives that one of its values must meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .words import Kind

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Alternative:
    """One element of a field's array. `operands` are the operator's values as the pattern has them.

    EQUALS has one string, number, boolean or None; NUMERIC a sign and a number, once or twice; CIDR the block;
    ANYTHING_BUT and its variants the values of their list; EXISTS and ABSENT none.
    """

    kind: Kind
    operands: tuple[Scalar, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A path, joined with dots, and its alternatives, of which one is enough."""

    path: str
    alternatives: tuple[Alternative, ...]

    @property
    def may_be_absent(self) -> bool:
        """Whether the field may be missing: `{"exists": false}` is one of the alternatives."""
        return any(alternative.kind is Kind.ABSENT for alternative in self.alternatives)


@dataclass(frozen=True, slots=True)
class Branch:
    """Fields that must all match, in the order of the pattern; `$or` makes several branches."""

    fields: tuple[Field, ...]
    test: Callable[[dict[str, Any]], bool] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern: `text` is its source, and one of the `branches` is enough."""

    text: str
    branches: tuple[Branch, ...] = field(compare=False, repr=False)

    def __reduce__(self) -> tuple[Callable[[str], Pattern], tuple[str]]:
        from .compile import compile_pattern

        return compile_pattern, (self.text,)
