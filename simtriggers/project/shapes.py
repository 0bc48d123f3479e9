"""What a model expects at a place: walks a model's types along the data.

pydantic says where it found a mistake in terms of its own schema (union members and tags are steps of
that path). This finds the place in the user's data and the type that is expected there.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, RootModel, Tag
from pydantic.fields import FieldInfo

from .load import KeyPath


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a mistake is: the path in the document, and the shape that is expected there.

    For an unknown key `shape` is that of the mapping which has it. `union` is the path of the
    outermost undecided union on the way (None: there is none), `member` the member that was tried.
    """

    path: KeyPath
    shape: Shape
    union: KeyPath | None = None
    member: str = ""


class Shape:
    """A type as a model declares it. Wrappers that do not change the form are taken off.

    `bounds` are those of a number, by pydantic's names (`ge`, `gt`, `le`, `lt`); `default` is what is taken where a
    model's key is absent (None where it must be there).
    """

    def __init__(self, declared: Any, field: FieldInfo | None = None) -> None:
        self.tag = ""
        self.bounds: dict[str, Any] = {}
        self.default: Any = None if field is None or field.is_required() else field.default
        self._take_bounds(() if field is None else field.metadata)
        while True:
            origin = get_origin(declared)
            if origin is Annotated:
                self._take_bounds(get_args(declared)[1:])
                tags = [each.tag for each in get_args(declared)[1:] if isinstance(each, Tag)]
                self.tag = self.tag or (tags[0] if tags else "")
                declared = get_args(declared)[0]
            elif origin in (Union, types.UnionType) and len(_some(declared)) == 1:
                declared = _some(declared)[0]
            elif isinstance(declared, type) and issubclass(declared, RootModel):
                declared = declared.model_fields["root"].annotation
            else:
                break
        self.declared = declared
        self.origin = origin

    def _take_bounds(self, found: Iterable[Any]) -> None:
        for each in found:
            if isinstance(each, FieldInfo):
                self._take_bounds(each.metadata)
            for name in ("ge", "gt", "le", "lt"):
                if getattr(each, name, None) is not None:
                    self.bounds[name] = getattr(each, name)

    @property
    def model(self) -> type[BaseModel] | None:
        """The model class, if it is one."""
        is_model = isinstance(self.declared, type) and issubclass(self.declared, BaseModel)
        return self.declared if is_model else None

    def members(self) -> list[Shape]:
        """The members of a union, without None; empty for any other type."""
        is_union = self.origin in (Union, types.UnionType)
        return [Shape(each) for each in _some(self.declared)] if is_union else []

    def child(self, step: str | int) -> Shape:
        """What is expected behind a key or an index."""
        if self.model is not None:
            for name, info in self.model.model_fields.items():
                if step in (name, info.alias, info.validation_alias):
                    return Shape(info.annotation, info)
            return Shape(Any)
        inner = [each for each in get_args(self.declared) if each is not Ellipsis]
        if self.origin is tuple and isinstance(step, int) and len(inner) > step:
            return Shape(inner[step])
        return Shape(inner[-1]) if inner and self.origin is not Literal else Shape(Any)

    def keys(self, *, required: bool = False) -> list[str]:
        """The keys of a model as a user writes them, in its order; all or only the required ones."""
        fields: Mapping[str, FieldInfo] = self.model.model_fields if self.model is not None else {}
        return [info.alias or name for name, info in fields.items() if info.is_required() or not required]

    def not_yet(self) -> Mapping[str, str]:
        """The model's `NOT_YET`."""
        known: Mapping[str, str] = getattr(self.model, "NOT_YET", {})
        return known

    def choices(self) -> list[Any]:
        """The values of a Literal or an Enum; empty for any other type."""
        if self.origin is Literal:
            return list(get_args(self.declared))
        if isinstance(self.declared, type) and issubclass(self.declared, enum.Enum):
            return [each.value for each in self.declared]
        return []


def _some(union: Any) -> list[Any]:
    return [each for each in get_args(union) if each is not types.NoneType]


def follow(shape: Shape, data: Any, loc: tuple[int | str, ...], at: KeyPath) -> Spot:
    """The spot of a pydantic location, in `data`, which stands at `at` in the document."""
    path: list[str | int] = []
    union: KeyPath | None = None
    member, owner, steps = "", shape, list(loc)
    while steps:
        step = steps.pop(0)
        members = shape.members()
        if members:
            chosen = _chosen(members, str(step))
            if not any(each.tag for each in members) and union is None:
                union, member = (*at, *path), str(step)
            shape = chosen or Shape(Any)
            continue
        if step == "[key]" or not _has(data, step):
            break
        owner, shape, data = shape, shape.child(step), data[step]
        path.append(step)
    unknown = bool(path) and owner.model is not None and path[-1] not in _spellings(owner.model)
    return Spot((*at, *path), owner if unknown else shape, union, member)


def _has(data: Any, step: int | str) -> bool:
    if isinstance(data, dict):
        return step in data
    return isinstance(data, list) and isinstance(step, int) and step < len(data)


def _spellings(model: type[BaseModel]) -> set[Any]:
    fields = model.model_fields.items()
    return {each for name, info in fields for each in (name, info.alias, info.validation_alias)}


def _chosen(members: list[Shape], step: str) -> Shape | None:
    """The member of a union that a step of a location names, by tag, model name or discriminating value."""
    for each in members:
        name = getattr(each.declared, "__name__", "")
        if step in (each.tag, name):
            return each
    for each in members:
        fields = each.model.model_fields.values() if each.model is not None else ()
        if any(step in Shape(info.annotation).choices() for info in fields):
            return each
    return None
