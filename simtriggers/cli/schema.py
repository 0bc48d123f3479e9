"""`simtriggers schema`: the JSON Schema of the files that people write, from the models that read them.

The models take more than JSON Schema's types say: `30s` for a number of seconds, one word for a whole
expectation. What may be written is added here.
"""

from __future__ import annotations

import json
from typing import Any

import click
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from ..aws import quantities
from ..project.model import ProjectFile
from ..scenario.model import EXPECTATIONS, ScenarioFile

MODELS: dict[str, type[BaseModel]] = {"project": ProjectFile, "scenario": ScenarioFile}

_DURATION = {"type": ["number", "string"], "description": "A duration: 250ms, 30s, 5m, 1h30m, 2d, or seconds."}
_SIZE = {"type": ["integer", "string"], "description": "A size: 512B, 256KB, 6MB, or bytes."}
_WRITTEN: dict[Any, dict[str, Any]] = {
    quantities.parse_duration_ms: _DURATION,
    quantities._seconds: _DURATION,
    quantities.parse_size: _SIZE,
}


_ALSO: dict[str, dict[str, Any]] = {
    "_target": {"type": "string", "description": "The ARN of a queue or function."},
    "_restart": {"type": ["boolean", "null"]},
    "_duration": _DURATION,
    "_by": _DURATION,
    "_status": {"type": "integer", "minimum": 100, "maximum": 599},
    "_texts": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
    "_time": {"type": "number"},
    "_word": {"enum": [name for name in EXPECTATIONS if name.startswith("nothing_")]},
}
"""By the name of the models' own functions: what may be written beside the type that comes out of them."""


class FileSchema(GenerateJsonSchema):
    """pydantic's generator, with what people may write."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """What may be written where a function turns it into the model's own type."""
        function: Any = schema["function"]["function"]
        if function in _WRITTEN:
            return dict(_WRITTEN[function])
        inner = super().function_before_schema(schema)
        also = _ALSO.get(getattr(function, "__name__", ""))
        return inner if also is None else {"anyOf": [dict(also), inner]}

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A model; where one of several forms may be written, unknown keys are errors in the mapping alone."""
        made = super().model_schema(schema)
        if "anyOf" in made and "additionalProperties" in made:
            strict = made.pop("additionalProperties")
            for form in made["anyOf"]:
                if "properties" in form:
                    form["additionalProperties"] = strict
        return made


def schema_of(kind: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `project` or `scenario` files."""
    made = MODELS[kind].model_json_schema(schema_generator=FileSchema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": f"simtriggers {kind} file",
    }


@click.command("schema")
@click.argument("kind", type=click.Choice(sorted(MODELS)), default="project")
def command(kind: str) -> None:
    """Print the JSON Schema of KIND files: project (the default) or scenario.

    Editors use it to complete and check: write it to a file, and name that in the YAML's first line, as
    "# yaml-language-server: $schema=FILE".
    """
    click.echo(json.dumps(schema_of(kind), ensure_ascii=False, indent=2))
