"""From a document to a model: every mistake at once, each with its place, value, rule and fix.

Owns the words in which pydantic's findings reach a user. The models say what is right; a model may
also have a class variable `NOT_YET` (key -> what it would do), for keys that AWS has and simtriggers
does not yet: they are named as such, not as unknown. One that begins with "write " names the key that does it.

A value that is one of several models is told apart by the key it has::

    Trigger = Annotated[
        Annotated[S3Trigger, Tag("s3")] | Annotated[QueueTrigger, Tag("sqs")],
        by_key("a trigger", "s3", "sqs", not_yet={"sns": "topics"}),
    ]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, Discriminator, Tag, ValidationError
from pydantic_core import ErrorDetails

from ..errors import UserError
from .load import Document, KeyPath, raise_all, suggest
from .shapes import Shape, Spot, follow

__all__ = ["Tag", "by_key", "check", "dotted", "validate"]

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], document: Document, at: KeyPath = ()) -> M:
    """The model of the document's value at `at`. Raises UserError for one mistake, UserErrors for several."""
    made, errors = check(model, document, at)
    raise_all(errors)
    assert made is not None
    return made


def check(model: type[M], document: Document, at: KeyPath = ()) -> tuple[M | None, list[UserError]]:
    """The model, or None and what is wrong, for a caller that has more to check before it raises."""
    try:
        return model.model_validate(document.get(at)), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    shape, data = Shape(model), document.get(at)
    spots = [(follow(shape, data, detail["loc"], at), detail) for detail in details]
    return None, [_error(document, spot, detail) for spot, detail in _one_per_typo(_one_per_union(spots))]


def by_key(what: str, *keys: str, not_yet: Mapping[str, str] | None = None) -> Discriminator:
    """Tells the members of a union apart by which of `keys` a mapping has; their `Tag`s are the keys.

    A bare text that is one of the keys stands for itself. `what` names the whole in errors ("a
    trigger"). `not_yet` names keys that AWS has and simtriggers does not yet, and what they would do.
    """

    def tag(item: Any) -> str | None:
        if isinstance(item, str):
            return item if item in keys else None
        if isinstance(item, BaseModel):
            item = item.model_fields_set
        found = [key for key in keys if key in item] if isinstance(item, dict | set) else []
        return found[0] if len(found) == 1 else None

    context: dict[str, Any] = {"what": what, "keys": keys, "not_yet": dict(not_yet or {})}
    return Discriminator(
        tag, custom_error_type="which", custom_error_message="not one of them", custom_error_context=context
    )


def dotted(path: KeyPath) -> str:
    """A path as errors write it: `functions.parse.triggers[0].batch_size`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the file"


# --- unions -----------------------------------------------------------------------------------------


def _one_per_union(spots: list[tuple[Spot, ErrorDetails]]) -> list[tuple[Spot, ErrorDetails]]:
    """Of a value that fits no member of a union, keep what the likeliest member has against it.

    The likeliest is one that objects to something inside the value and not to its type; of several
    such, the one with the fewest objections.
    """
    kept: list[tuple[Spot, ErrorDetails]] = []
    unions: dict[KeyPath, list[tuple[Spot, ErrorDetails]]] = {}
    for spot, detail in spots:
        if spot.union is None:
            kept.append((spot, detail))
        else:
            unions.setdefault(spot.union, []).append((spot, detail))
    for place, found in unions.items():
        members: dict[str, list[tuple[Spot, ErrorDetails]]] = {}
        for spot, detail in found:
            members.setdefault(spot.member, []).append((spot, detail))
        inside = {name: each for name, each in members.items() if any(len(s.path) > len(place) for s, _ in each)}
        if inside:
            likeliest = min(inside, key=lambda name: len(inside[name]))
            kept += inside[likeliest]
        else:
            spot, detail = found[0]
            wanted = [_wanted(each["type"]) for _, each in found]
            if all(wanted):
                detail = {**detail, "type": "one_of", "ctx": {"wanted": " or ".join(dict.fromkeys(wanted))}}
            kept.append((spot, detail))
    return kept


def _one_per_typo(spots: list[tuple[Spot, ErrorDetails]]) -> list[tuple[Spot, ErrorDetails]]:
    """Leave out that a key is missing where it is there, misspelt: the unknown key says it."""
    meant = {
        (spot.path[:-1], suggest(str(spot.path[-1]), spot.shape.keys()))
        for spot, detail in spots
        if detail["type"] == "extra_forbidden" and spot.path
    }
    return [
        (spot, detail)
        for spot, detail in spots
        if detail["type"] != "missing" or (spot.path, f"did you mean '{detail['loc'][-1]}'?") not in meant
    ]


# --- words ------------------------------------------------------------------------------------------

_KINDS = {
    "int": ("a whole number", ""),
    "float": ("a number", ""),
    "string": ("a text", "put quotes around it"),
    "bool": ("true or false", "write true or false"),
    "list": ("a list", "write '- ' before each item, or [a, b]"),
    "tuple": ("a list", "write '- ' before each item, or [a, b]"),
    "set": ("a list", "write '- ' before each item, or [a, b]"),
    "frozen": ("a list", "write '- ' before each item, or [a, b]"),
    "dict": ("a mapping", "write keys and values, or {} for none"),
    "model": ("a mapping", "write keys and values, or {} for none"),
    "mapping": ("a mapping", "write keys and values, or {} for none"),
    "none": ("nothing", "remove it"),
}
_AS_YAML = {"True": "true", "False": "false", "None": "null"}
_NOT_KINDS = ("string_pattern_mismatch", "string_too_long", "string_too_short")
_BOUNDS = {
    "greater_than": ("gt", "more than {}", "write a number above {}"),
    "greater_than_equal": ("ge", "at least {}", "write {} or more"),
    "less_than": ("lt", "less than {}", "write a number below {}"),
    "less_than_equal": ("le", "at most {}", "write {} or less"),
    "multiple_of": ("multiple_of", "a multiple of {}", "write a multiple of {}"),
}
_LENGTHS = {
    "string_too_long": ("max_length", "at most {} characters", "shorten it"),
    "string_too_short": ("min_length", "at least {} characters", "write more"),
    "too_long": ("max_length", "at most {} items", "remove some"),
    "too_short": ("min_length", "at least {} items", "add some"),
}


def _wanted(error_type: str) -> str:
    """What a type error asks for: "a whole number"; empty when the error is not about the type."""
    if error_type in _NOT_KINDS:
        return ""
    return _KINDS.get(error_type.split("_")[0], ("", ""))[0]


def _shown(item: Any) -> str:
    """A value as an error shows it."""
    if item is None:
        return "empty"
    if isinstance(item, bool):
        return str(item).lower()
    if isinstance(item, Mapping):
        return "a mapping"
    if isinstance(item, list | tuple):
        return "a list"
    text = repr(item)
    return text if len(text) <= 60 else f"{text[:57]}…{text[-1]}"


def _error(document: Document, spot: Spot, detail: ErrorDetails) -> UserError:
    """One finding of pydantic as a UserError."""
    kind, name = detail["type"], dotted(spot.path)
    context: dict[str, Any] = detail.get("ctx") or {}
    shown = f"{name} is {_shown(detail['input'])}"
    if kind == "extra_forbidden":
        return _unknown_key(document, spot, str(detail["loc"][-1]))
    if kind == "missing":
        return _missing_key(document, spot, str(detail["loc"][-1]))
    if kind == "which":
        return _which(document, spot, detail["input"], context)
    if kind in ("value_error", "assertion_error"):
        return _refused(document, spot, str(context.get("error", detail["msg"])))
    if kind in ("literal_error", "enum"):
        known = [each for each in spot.shape.choices() if isinstance(each, str)]
        expected = _AS_YAML.get(str(context.get("expected")), context.get("expected"))
        fix = suggest(str(detail["input"]), known) or f"write {expected}"
        return document.error(spot.path, shown, rule=f"it must be {expected}", fix=fix)
    if kind in _BOUNDS:
        bound, words, fix = _BOUNDS[kind]
        rule = f"it must be {words.format(context[bound])}"
        return document.error(spot.path, shown, rule=rule, fix=fix.format(context[bound]))
    if kind in _LENGTHS:
        bound, words, fix = _LENGTHS[kind]
        rule = f"it must have {words.format(context[bound])}"
        return document.error(spot.path, shown, rule=rule, fix=fix)
    wanted = _wanted(kind)
    if kind == "one_of":
        return document.error(spot.path, f"{shown}; expected is {context['wanted']}", fix=f"write {context['wanted']}")
    if wanted:
        fix = _KINDS[kind.split("_")[0]][1] or _number(wanted, spot.shape)
        if detail["input"] is None and spot.path:
            fix = f"write '{spot.path[-1]}: {{}}'" if wanted == "a mapping" else "write a value, or remove the key"
        return document.error(spot.path, f"{shown}; expected is {wanted}", fix=fix)
    return document.error(spot.path, shown, rule=detail["msg"])


def _number(wanted: str, shape: Shape) -> str:
    """Which number to write: within its bounds, and such as its default."""
    bounds, whole = shape.bounds, wanted == "a whole number"
    low = bounds.get("ge", bounds["gt"] + 1 if whole and "gt" in bounds else None)
    high = bounds.get("le", bounds["lt"] - 1 if whole and "lt" in bounds else None)
    text = f"write {wanted}"
    if low is not None and high is not None:
        text += f" from {low} to {high}"
    elif low is not None:
        text += f", {low} or more"
    elif high is not None:
        text += f", {high} or less"
    if isinstance(shape.default, int | float) and not isinstance(shape.default, bool):
        return f"{text}, such as {shape.default}"
    return text if bounds else f"{text}, such as {3 if whole else 0.5}"


def _unknown_key(document: Document, spot: Spot, key: str) -> UserError:
    owner = dotted(spot.path[:-1] if spot.path[-1:] == (key,) else spot.path)
    rule = spot.shape.not_yet().get(key)
    if rule is not None and rule.startswith("write "):
        return document.error(spot.path, f"{owner} has an unknown key '{key}'", fix=rule, key=True)
    if rule is not None:
        return document.error(
            spot.path,
            f"{owner} has '{key}', which simtriggers does not do yet",
            rule=rule,
            fix=f"remove '{key}'",
            key=True,
        )
    known = spot.shape.keys()
    rule = f"known keys: {', '.join(known)}" if known else "it has no keys"
    fix = suggest(key, known)
    if not fix.startswith("did you mean"):
        fix = f"remove '{key}'"
    return document.error(spot.path, f"{owner} has an unknown key '{key}'", rule=rule, fix=fix, key=True)


def _missing_key(document: Document, spot: Spot, key: str) -> UserError:
    required = spot.shape.keys(required=True)
    return document.error(
        spot.path,
        f"{dotted(spot.path)} has no key '{key}'",
        rule=f"required keys: {', '.join(required)}",
        fix=f"add '{key}: …'",
        key=True,
    )


def _which(document: Document, spot: Spot, item: Any, context: dict[str, Any]) -> UserError:
    """No key of the union is there, or more than one, or one that comes later."""
    keys, what, name = tuple(context["keys"]), context["what"], dotted(spot.path)
    rule = f"{what} has exactly one of the keys {', '.join(keys)}"
    if not isinstance(item, dict):
        near = suggest(item, keys) if isinstance(item, str) else ""
        near = near if near.startswith("did you mean") else ""
        return document.error(
            spot.path, f"{name} is {_shown(item)}", rule=rule, fix=near or f"write it as {{{keys[0]}: …}}"
        )
    both = [key for key in keys if key in item]
    if both:
        return document.error(
            spot.path, f"{name} has {' and '.join(both)}", rule=rule, fix="write one entry for each of them"
        )
    for key in item:
        place = (*spot.path, key)
        meant = context["not_yet"].get(key, "")
        if meant.startswith("write "):
            return document.error(place, f"{name} has an unknown key '{key}'", rule=rule, fix=meant, key=True)
        if key in context["not_yet"]:
            return document.error(
                place,
                f"{name} has '{key}', which simtriggers does not do yet",
                rule=context["not_yet"][key],
                fix=f"use one of {', '.join(keys)}",
                key=True,
            )
        near = suggest(key, keys)
        if near.startswith("did you mean"):
            return document.error(place, f"{name} has an unknown key '{key}'", rule=rule, fix=near, key=True)
    found = f"only {', '.join(item)}" if item else "no keys"
    return document.error(spot.path, f"{name} has {found}", rule=rule, fix=f"add one of {', '.join(keys)}")


def _refused(document: Document, spot: Spot, message: str) -> UserError:
    """What a validator of ours said: `problem; write this instead`, or `problem; rule`."""
    problem, _, rest = message.partition("; ")
    written = rest.startswith(("write ", "use ", "remove ", "did you mean "))
    return document.error(
        spot.path,
        f"{dotted(spot.path)}: {problem}",
        rule="" if written else rest,
        fix=rest if written else "",
    )
