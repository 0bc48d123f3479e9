"""`simtriggers validate`, `schema` and `invoke`: what they say about a project."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from simtriggers.cli.schema import MODELS, schema_of
from simtriggers.project.load import load_yaml, parse_yaml
from tests.cli.commands import Shell

ROOT = Path(__file__).parents[2]

# --- validate -----------------------------------------------------------------------------------

WRONG = """\
queues:
  orders: {visibilty_timeout: 60s}
  dlq: {visibility_timeout: soon}
functions:
  f:
    stub: {returns: 1}
    triggers: [{sqs: nobody}]
"""


def test_nothing_wrong(shell: Shell, demo: Path) -> None:
    done = shell("validate")
    assert (done.code, done.out, done.err) == (0, "ok: nothing wrong in 2 files\n", "")
    assert shell("validate", "simtriggers.yaml", "scenarios").out == "ok: nothing wrong in 2 files\n"


def test_everything_that_is_wrong_in_one_run(shell: Shell, demo: Path) -> None:
    (demo / "simtriggers.yaml").write_text(WRONG)
    done = shell("validate")
    assert (done.code, done.out) == (2, "")
    places = [line.split(":")[1] for line in done.err.splitlines() if line.startswith("simtriggers.yaml:")]
    assert places == ["2", "3", "6", "7"]
    lacking = [line.rpartition(" ")[2] for line in done.err.splitlines() if "scenarios/first.yaml:" in line]
    assert lacking == ["'ingest'", "'failed'", "'orders-dlq'", "'nightly'"]
    assert done.err.splitlines()[-1] == "8 mistakes in 2 files"
    assert "did you mean 'visibility_timeout'?" in done.err


def test_mistakes_as_json(shell: Shell, demo: Path) -> None:
    (demo / "scenarios" / "first.yaml").write_text("project: ../simtriggers.yaml\nsteps: [{advance: soon}]\n")
    done = shell("validate", "--json")
    found = json.loads(done.out)
    assert done.code == 2
    assert found["checked"] == ["simtriggers.yaml", "scenarios/first.yaml"]
    [error] = found["errors"]
    assert (error["file"], error["line"], error["column"]) == ("scenarios/first.yaml", 2, 19)


@pytest.mark.parametrize(
    "text, problem",
    [(None, "there is no"), ("a: [", "simtriggers.yaml:1:"), ("", "the file is empty")],
)
def test_a_project_that_cannot_be_read(shell: Shell, tmp_path: Path, text: str | None, problem: str) -> None:
    if text is not None:
        (tmp_path / "simtriggers.yaml").write_text(text)
    done = shell("validate", str(tmp_path))
    assert done.code == 2
    assert problem in done.err
    assert shell("validate", str(tmp_path / "missing.yaml")).code == 2


def test_an_empty_folder_is_told_how_to_begin(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in ([], [str(tmp_path)], ["simtriggers.yaml"]):
        done = shell("validate", *arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"there is no simtriggers.yaml in {tmp_path}\n")
        assert "simtriggers init" in done.err


TEMPLATES = {
    "template.yaml": "AWSTemplateFormatVersion: '2010-09-09'\nResources: {}\n",
    "template.yml": "# ours\nTransform: AWS::Serverless-2016-10-31\nResources: {F: {Type: X}}\n",
    "stack.yaml": "Description: !Sub x\n\nResources:\n  Q:\n    QueueName: !Ref Name\n",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_said_to_be_one(shell: Shell, tmp_path: Path, name: str) -> None:
    text = TEMPLATES[name]
    file = tmp_path / name
    file.write_text(text)
    line = next(number for number, each in enumerate(text.splitlines(), 1) if each.startswith(("A", "T", "R")))
    for command in ("validate", "plan"):
        done = shell(command, str(file))
        assert done.code == 2
        assert done.err.startswith(f"{file}:{line}:1: this is a SAM or CloudFormation template (it has ")
        assert "not read yet\n  fix: write the resources into a simtriggers.yaml\n" in done.err


def test_a_folder_with_a_template_alone(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATES["template.yaml"])
    done = shell("plan", str(tmp_path))
    assert done.code == 2
    assert f"there is no simtriggers.yaml in {tmp_path}\n  template.yaml is there; SAM and Cloud" in done.err


def test_a_section_that_a_template_has_too_is_no_template(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "simtriggers.yaml").write_text(
        "queues: {Resources: {}}\nfunctions:\n  Transform: {stub: [{returns: 1}]}\n"
    )
    assert shell("validate", str(tmp_path)).code == 0


def test_handlers_that_are_no_python_are_found(shell: Shell, demo: Path) -> None:
    (demo / "handlers.py").write_text("import nowhere\n\ndef ingest(event, context:\n    return event\n")
    done = shell("validate")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "handlers.py:3:11: a handler's file is no Python: '(' was never closed",
        "  def ingest(event, context:",
        "  fix: mend the line",
        "1 mistake in 2 files",
    ]
    [error] = json.loads(shell("validate", "--json").out)["errors"]
    assert (error["file"], error["line"], error["column"]) == ("handlers.py", 3, 11)


def test_handlers_are_read_beside_every_other_mistake(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text("return 1\n")
    (tmp_path / "code" / "nul.py").write_bytes(b"\0")
    (tmp_path / "simtriggers.yaml").write_text(
        """
queues: {q: {visibilty_timeout: 1m}}
functions:
  one: {handler: app.one, code_uri: code}
  two: {handler: app.two, code_uri: code}
  odd: {handler: nul.odd, code_uri: code}
  other: {handler: app.one, code_uri: code, python: /usr/bin/python2}
  stub: {stub: [{returns: 1}]}
  wrong: 5
"""
    )
    lines = shell("validate", str(tmp_path)).err.splitlines()
    assert lines[-1] == "4 mistakes in 1 file"
    assert [line for line in lines if "app.py" in line] == [
        f"{tmp_path}/code/app.py:1:1: a handler's file is no Python: 'return' outside function"
    ]
    assert [line.partition(": ")[0] for line in lines if "nul.py" in line] == [f"{tmp_path}/code/nul.py"]
    assert "did you mean 'visibility_timeout'?" in "\n".join(lines)


def test_handlers_that_warn_are_fine(shell: Shell, demo: Path) -> None:
    with (demo / "handlers.py").open("a") as file:
        file.write("\nassert (1, 'always true')\n")
    done = shell("validate")
    assert (done.code, done.err) == (0, "")


def test_a_scenario_that_stands_alone(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "alone.yaml").write_text("queues: {q: {}}\nsteps: [{send_message: {queue: q, body: x}}]\n")
    assert shell("validate", str(tmp_path)).out == "ok: nothing wrong in 1 file\n"
    assert shell("validate", str(tmp_path / "alone.yaml")).out == "ok: nothing wrong in 1 file\n"


# --- schema -------------------------------------------------------------------------------------

_TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
}  # fmt: skip


def fits(value: Any, schema: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Whether a value is valid, by the few words of JSON Schema that these schemas use."""
    if "$ref" in schema:
        return fits(value, whole["$defs"][schema["$ref"].removeprefix("#/$defs/")], whole)
    for word in ("anyOf", "oneOf"):
        if word in schema and not any(fits(value, each, whole) for each in schema[word]):
            return False
    if "const" in schema and value != schema["const"] or "enum" in schema and value not in schema["enum"]:
        return False
    types = schema.get("type", [])
    if types and not any(_is(value, name) for name in ([types] if isinstance(types, str) else types)):
        return False
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        if not set(schema.get("required", [])) <= value.keys():
            return False
        rest = {name: each for name, each in value.items() if name not in known}
        if others is False and rest:
            return False
        inside = [(each, known[name]) for name, each in value.items() if name in known]
        inside += [(each, others) for each in rest.values() if isinstance(others, dict)]
        return all(fits(each, part, whole) for each, part in inside)
    if isinstance(value, list) and "items" in schema:
        return all(fits(each, schema["items"], whole) for each in value)
    return True


def _is(value: Any, name: str) -> bool:
    if name in ("number", "integer"):
        return isinstance(value, int if name == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, _TYPES[name])


@pytest.mark.parametrize("kind", MODELS)
def test_the_schema_is_printed(shell: Shell, kind: str) -> None:
    assert json.loads(shell("schema", kind).out) == schema_of(kind)
    assert shell("schema", "queue").code == 2


def test_the_schema_takes_what_the_models_take(demo: Path) -> None:
    project, scenario = schema_of("project"), schema_of("scenario")
    assert fits(load_yaml("simtriggers.yaml").data, project, project)
    for file in [demo / "scenarios" / "first.yaml", *sorted((ROOT / "scenarios").rglob("scenario.yaml"))]:
        assert fits(load_yaml(file).data, scenario, scenario), file


@pytest.mark.parametrize(
    "kind, text, right",
    [
        ("project", "queues: {q: {visibility_timeout: 1m}}", True),
        ("project", "queues: {q: {visibility_timeout: 60}}", True),
        ("project", "queues: {q: {visibility_timeout: [60]}}", False),
        ("project", "queues: {q: {visibilty_timeout: 60}}", False),
        ("project", "functions: {f: {handler: a.b, duration: measured}}", True),
        ("project", "functions: {f: {handler: a.b, environment: {N: 1}}}", True),
        ("project", "functions: {f: {handler: a.b, event_invoke_config: {on_failure: 'arn:aws:sqs:::q'}}}", True),
        ("project", "functions: {f: {handler: a.b, triggers: [{sqs: q}, {s3: b}, {schedule: rate(1 day)}]}}", True),
        ("project", "functions: {f: {handler: a.b, triggers: [{topic: q}]}}", False),
        ("scenario", "steps: [{restart: true}, {restart: null}, {at: 30, advance: 1h}]", True),
        ("scenario", "expect: [nothing_lost, {nothing_stuck: true}]", True),
        ("scenario", "expect: [nothing_los]", False),
        ("scenario", "faults: [{function: f, slow: 20s}, {endpoint: 'http://a', slow: {by: 20s, for: 1m}}]", True),
        ("scenario", "faults: [{endpoint: 'http://a', answers: 500}, {endpoint: 'http://a', down: true}]", True),
        ("scenario", "faults: [{endpoint: 'http://a', answers: {code: 500}}]", False),
        ("scenario", "faults: [{endpoint: 'http://a', answers: broken}]", False),
    ],
)
def test_the_schema_is_as_strict_as_it_can_be(kind: str, text: str, right: bool) -> None:
    schema = schema_of(kind)
    assert fits(parse_yaml(text, "x").data, schema, schema) is right


# --- invoke -------------------------------------------------------------------------------------


def test_one_invocation(shell: Shell, demo: Path) -> None:
    done = shell("invoke", "nightly", "--event", '{"time": "now"}')
    assert (done.code, done.out) == (0, "null\n")
    lines = done.err.splitlines()
    assert [line.split()[0] for line in lines if "INIT" not in line] == ["START", "good", "END", "REPORT"]
    assert "good night, it is now" in lines


def test_a_function_that_fails(shell: Shell, demo: Path) -> None:
    done = shell("invoke", "ingest")
    assert done.code == 1
    assert json.loads(done.out)["errorType"] == "KeyError"
    assert "[ERROR] KeyError: 'Records'" in done.err
    assert done.err.splitlines()[-1].startswith("fix: the event was {}; give it the one that it expects: --event")
    given = shell("invoke", "ingest", "--event", "{}")
    assert "[ERROR] KeyError: 'Records'" in given.err
    assert "fix:" not in given.err


def test_without_an_event_a_function_gets_what_its_schedule_sends(shell: Shell, demo: Path) -> None:
    (demo / "handlers.py").write_text("ingest = process = nightly = lambda event, context: event")
    done = shell("invoke", "nightly", "--start", "2026-02-01T02:00:00Z", "--seed", "5")
    assert done.err.startswith("event: what cron(0 2 * * ? *) sends; --event gives it another\nSTART ")
    sent = json.loads(done.out)
    assert UUID(sent.pop("id")).version == 4
    assert sent == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-02-01T02:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/nightly-schedule-1"],
        "detail": {},
    }
    project = demo / "simtriggers.yaml"
    project.write_text(project.read_text().replace('* * ? *)"}', '* * ? *)", input: {mine: 1}}'))
    assert json.loads(shell("invoke", "nightly").out) == {"mine": 1}
    project.write_text(project.read_text().replace("{schedule:", "{sqs: failed}\n      - {schedule:"))
    assert json.loads(shell("invoke", "nightly").out) == {}


@pytest.mark.parametrize(
    "code, fix",
    [
        ("def nightly(event, context:", "mend the line"),
        (
            "import nowhere\ndef nightly(*_): ...",
            "install what is missing where simtriggers runs, or give the function the interpreter",
        ),
        (
            """def nightly(*_): raise ModuleNotFoundError("No module named 'botocore.config'")""",
            "botocore is on Lambda but not in this environment: pip install boto3",
        ),
        ("import time\ndef nightly(*_): time.sleep(60)", "make it faster, or give the function a longer timeout:"),
        ("def nightly(*_): raise ValueError(5)", None),
    ],
)
def test_what_to_do_about_errors_of_the_runtime(shell: Shell, demo: Path, code: str, fix: str | None) -> None:
    (demo / "handlers.py").write_text(f"def ingest(*_): ...\ndef process(*_): ...\n{code}\n")
    done = shell("invoke", "nightly")
    assert done.code == 1
    said = [line for line in done.err.splitlines() if line.startswith("fix: ")]
    assert [line.startswith(f"fix: {fix}") for line in said] == ([] if fix is None else [True])
    assert "taken over" not in done.err


def test_where_events_come_from(shell: Shell, demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (demo / "event.json").write_text('{"time": "file"}')
    monkeypatch.setattr("sys.stdin", io.StringIO('{"time": "input"}'))
    for given, said in (("event.json", "file"), ("-", "input")):
        found = json.loads(shell("invoke", "nightly", "--event", given, "--json").out)
        assert f"good night, it is {said}" in found["log"]
        assert (found["payload"], found["function_error"]) == (None, None)


@pytest.mark.parametrize(
    "arguments, problem",
    [
        (["nightly", "--event", "missing.json"], "cannot read the event 'missing.json'"),
        (["nightly", "--event", "{broken"], "--event is not JSON"),
        (["nightly", "--start", "yesterday"], "start: 'yesterday' is not a time with a zone\n  fix: write one such as"),
        (["nightl"], "the project has no function 'nightl'"),
        (["nightl"], "fix: did you mean 'nightly'?"),
        (["nightly", "--project", "tests"], "there is no simtriggers.yaml in tests"),
    ],
)
def test_wrong_input(shell: Shell, demo: Path, arguments: list[str], problem: str) -> None:
    done = shell("invoke", *arguments)
    assert (done.code, done.out) == (2, "")
    assert problem in done.err
