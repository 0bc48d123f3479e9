"""What users read when a YAML file is wrong: each row is a file and the exact text of its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field
from ruamel.yaml import YAML

from simtriggers.aws.quantities import Bytes, Seconds, Settings
from simtriggers.errors import UserError, UserErrors
from simtriggers.project.load import and_also, parse_yaml, raise_all
from simtriggers.project.validate import Tag, by_key, check, validate

CASES = Path(__file__).parents[2] / "fixtures" / "cases" / "project" / "errors.yaml"
ROWS: list[dict[str, Any]] = YAML(typ="safe").load(CASES)


class RedrivePolicy(Settings):
    dead_letter_target: str
    max_receive_count: int = Field(ge=1, le=1000)


class Queue(Settings):
    NOT_YET: ClassVar[dict[str, str]] = {"fifo_queue": "queues are standard queues in this version"}

    visibility_timeout: Seconds = 30
    maximum_message_size: Bytes = 262144
    redrive_policy: RedrivePolicy | None = None
    tags: dict[str, str] = {}


class BucketTrigger(Settings):
    s3: str
    events: list[str] = []
    suffix: Annotated[str, Field(max_length=8)] = ""


class QueueTrigger(Settings):
    sqs: str
    batch_size: int = Field(10, gt=0)
    function_response_types: list[Literal["ReportBatchItemFailures"]] = []
    enabled: bool = True


class Stub(Settings):
    returns: str


Trigger = Annotated[
    Annotated[BucketTrigger, Tag("s3")]
    | Annotated[QueueTrigger, Tag("sqs")]
    | Annotated[Literal["manual"], Tag("manual")],
    by_key("a trigger", "s3", "sqs", "manual", not_yet={"sns": "topics come in a later version"}),
]


class Function(Settings):
    handler: str
    triggers: list[Trigger] = []
    runtime: Literal["process", "inline", "stub"] = "inline"
    stub: Stub | list[str] | None = None
    duration: int | str = 0
    from_: str = Field("", alias="from")


class Project(Settings):
    queues: dict[str, Queue] = {}
    functions: dict[str, Function] = {}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_wrong_file_says_where_what_and_what_to_write_instead(row: dict[str, Any]) -> None:
    def read() -> None:
        wrong: list[UserError] = []
        document = parse_yaml(row["text"], "orders.yaml", wrong=wrong)
        raise_all(and_also(wrong, check(Project, document)[1]))

    with pytest.raises(UserError) as caught:
        read()
    assert str(caught.value) == row["expect"].rstrip("\n")


def test_yaml_that_is_wrong_in_places_is_refused_unless_it_is_asked_for() -> None:
    with pytest.raises(UserError, match="comes twice"):
        parse_yaml("a: 1\na: 2\n", "p.yaml")


def test_the_names_of_the_rows_are_unique_and_each_says_why() -> None:
    assert len({row["name"] for row in ROWS}) == len(ROWS)
    assert all(row["why"].endswith(".") for row in ROWS)


def test_several_mistakes_are_kept_apart_and_in_the_order_of_the_file() -> None:
    text = "functions: {f: {triggers: [{sqs: q, batch_size: 0}]}}\nqueues: {q: {visibility: 1}}\n"
    with pytest.raises(UserErrors) as caught:
        validate(Project, parse_yaml(text, "p.yaml"))
    assert [str(error.where) for error in caught.value.errors] == [
        "p.yaml:1:13",
        "p.yaml:1:49",
        "p.yaml:2:14",
    ]


def test_a_right_file_becomes_the_model() -> None:
    text = """
    queues: {in: {visibility_timeout: 1m, redrive_policy: {dead_letter_target: dlq, max_receive_count: 3}}}
    functions:
      parse:
        {handler: app.handler, from: here, triggers: [{s3: up}, manual, {sqs: in, batch_size: 5}], stub: [a]}
    """
    made = validate(Project, parse_yaml(text, "p.yaml"))
    assert made == Project(
        queues={
            "in": Queue(
                visibility_timeout=60,
                redrive_policy=RedrivePolicy(dead_letter_target="dlq", max_receive_count=3),
            )
        },
        functions={
            "parse": Function(
                handler="app.handler",
                from_="here",
                triggers=[BucketTrigger(s3="up"), "manual", QueueTrigger(sqs="in", batch_size=5)],
                stub=["a"],
            )
        },
    )
    assert Project.model_validate(made.model_dump(by_alias=True)) == made


def test_a_part_of_a_document_is_checked_with_its_own_places() -> None:
    document = parse_yaml("project:\n  queues:\n    q: {visibility_timeout: soon}\n", "s.yaml")
    made, errors = check(Project, document, at=("project",))
    assert made is None
    assert [str(error) for error in errors] == [
        "s.yaml:3:29: project.queues.q.visibility_timeout: 'soon' is not a duration\n"
        "  fix: write 250ms, 30s, 5m, 1h30m, 2d or a number of seconds"
    ]
