"""Words of AWS that simtriggers does not do yet are named as such: what docs/fidelity.md promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from simtriggers.project.model import ProjectFile
from simtriggers.project.shapes import Shape
from simtriggers.scenario.model import ScenarioFile


def models(found: Any, seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """A model and all that can stand inside of it."""
    if get_origin(found) is None and isinstance(found, type) and issubclass(found, BaseModel):
        if found not in seen:
            seen.add(found)
            yield found
            for info in found.model_fields.values():
                yield from models(info.annotation, seen)
        return
    arguments = get_args(found)[:1] if get_origin(found) is Annotated else get_args(found)
    for each in arguments:
        yield from models(each, seen)


MODELS = [*models(ProjectFile, set()), *models(ScenarioFile, set())]


def test_every_model_is_looked_at() -> None:
    names = {model.__name__ for model in MODELS}
    assert {"BucketConfig", "QueueConfig", "FunctionDeclaration", "SqsTrigger", "ScheduleTrigger", "Step"} <= names


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_word_is_both_a_key_and_not_there_yet(model: type[BaseModel]) -> None:
    shape = Shape(model)
    assert not set(shape.keys()) & set(shape.not_yet())
    assert all(rule and not rule.endswith(".") for rule in shape.not_yet().values())


@pytest.mark.parametrize(
    "name, words",
    [
        ("ProjectFile", "tables apis layers"),
        ("BucketConfig", "encryption replication cors"),
        ("FunctionDeclaration", "layers provisioned_concurrency versions aliases vpc_config role tags"),
    ],
)
def test_what_fidelity_promises_to_refuse_by_name(name: str, words: str) -> None:
    [model] = {each for each in MODELS if each.__name__ == name}
    assert set(words.split()) <= Shape(model).not_yet().keys()
