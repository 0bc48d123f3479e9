"""`simtriggers match`: does an event match an event pattern, and if not, which field failed?

Needs no project. One question a call, or with `--jsonl` a stream of questions on standard input with one
answer a line, in bounded memory: compiled patterns are kept by their text, the latest 256 of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn, TextIO

import click

from ..aws.event_pattern import Mismatch, PatternError, compile_pattern, explain, matches
from ..aws.event_pattern.words import OPERATORS
from ..errors import UserError, Where
from . import FAILED, FINE, USAGE

_KEYS = ("pattern", "event")
_STDIN = "-"

_compile = lru_cache(maxsize=256)(compile_pattern)


def answer(line: str | bytes, *, with_reason: bool = False) -> dict[str, Any]:
    """The answer to one `--jsonl` question: `{"match": bool}` or `{"error": "..."}`.

    The question is an object with `pattern` (an object, or its JSON text, whose line and column an error
    then names) and `event` (an object). With a reason, an answer of no match has `mismatch` too.
    """
    try:
        question = _json(line)
    except (ValueError, RecursionError) as error:
        return {"error": f"the line is not JSON: {error}"}
    if not isinstance(question, dict):
        return {"error": "the line is not an object"}
    for key in question:
        if key not in _KEYS:
            return {"error": f"unknown key {key!r}; known keys: {', '.join(_KEYS)}"}
    for key in _KEYS:
        if key not in question:
            return {"error": f'the line has no "{key}"'}
    pattern, event = question["pattern"], question["event"]
    if not isinstance(event, dict):
        return {"error": f"the event is {_kind(event)}, not a JSON object"}
    try:
        compiled = _compile(pattern if isinstance(pattern, str) else json.dumps(pattern, ensure_ascii=False))
    except PatternError as error:
        return {"error": error.message}
    if matches(compiled, event):
        return {"match": True}
    return {"match": False, "mismatch": str(explain(compiled, event))} if with_reason else {"match": False}


def stream(lines: Iterable[bytes], out: TextIO, *, with_reason: bool = False) -> None:
    """Answer each line on a line of `out` as soon as it comes; empty lines are passed over."""
    for line in lines:
        if line.strip():
            out.write(json.dumps(answer(line, with_reason=with_reason)) + "\n")
            out.flush()


def _json(text: str | bytes) -> Any:
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _kind(value: object) -> str:
    kinds = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


# --- one question -------------------------------------------------------------------------------


def _source(argument: str, what: str) -> tuple[str, str]:
    """The text of an argument, and what to call it: `-`, inline JSON, or a file."""
    if argument == _STDIN:
        return sys.stdin.read(), "standard input"
    if argument.lstrip()[:1] in ("{", "[", '"'):
        return argument, what
    try:
        return Path(argument).read_text(encoding="utf-8"), argument
    except FileNotFoundError:
        raise UserError(
            f"{what} is {argument!r}: there is no such file", fix="name a file, write JSON in quotes, or - for stdin"
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{what} cannot be read: {error}") from None


def ask(pattern: str, event: str) -> Mismatch | None:
    """Why an event does not match a pattern, each given as `-`, inline JSON or a file; None when it does.

    Raises UserError, with the place in the text where there is one.
    """
    if pattern == event == _STDIN:
        raise UserError("PATTERN and EVENT are both -, and there is one standard input", fix="name a file for one")
    text, file = _source(pattern, "PATTERN")
    try:
        compiled = compile_pattern(text)
    except PatternError as error:
        reason = error.message.partition("\n")[0]
        raise UserError(reason, where=Where(file, error.line, error.column), fix=_meant(reason)) from None
    text, file = _source(event, "EVENT")
    try:
        found = _json(text)
    except json.JSONDecodeError as error:
        raise UserError(f"it is not JSON: {error.msg}", where=Where(file, error.lineno, error.colno)) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"it is not JSON: {error}", where=Where(file)) from None
    if not isinstance(found, dict):
        raise UserError(f"an event is a JSON object, and this is {_kind(found)}", where=Where(file))
    return explain(compiled, found)


def _meant(reason: str) -> str:
    """The operator that was probably meant, where EventBridge does not know the one that is there."""
    _, unknown, name = reason.partition("Unrecognized match type ")
    near = get_close_matches(name, OPERATORS, n=1) if unknown else []
    return f"did you mean '{near[0]}'?" if near else ""


class WrongInput(click.ClickException):
    """A message, and exit code 2."""

    exit_code = USAGE


@click.command("match")
@click.argument("pattern", required=False)
@click.argument("event", required=False)
@click.option("--explain", "with_reason", is_flag=True, help="Say which field failed, and why.")
@click.option("--json", "as_json", is_flag=True, help='Print {"match": ...}, with "mismatch" for --explain.')
@click.option("--jsonl", "as_stream", is_flag=True, help="Answer questions from standard input, one a line.")
def command(pattern: str | None, event: str | None, with_reason: bool, as_json: bool, as_stream: bool) -> int:
    """Tell whether EVENT matches the event PATTERN; each is a file, JSON, or - for standard input.

    The exit code is 0 for a match, 1 for none, 2 for wrong input. With --jsonl each line of standard input is
    an object like {"pattern": {"source": ["orders"]}, "event": {"source": "orders"}}, and each line of
    output {"match": true}, {"match": false} or {"error": "..."}; the exit code is 0 then.
    """
    if as_stream:
        if pattern is not None or as_json:
            raise WrongInput("--jsonl reads everything from standard input; leave out PATTERN, EVENT and --json")
        stream(sys.stdin.buffer, sys.stdout, with_reason=with_reason)
        return FINE
    if pattern is None or event is None:
        missing = "PATTERN" if pattern is None else "EVENT"
        raise WrongInput(
            f"""{missing} is missing; write for example: simtriggers match '{{"source": ["orders"]}}' event.json"""
        )
    try:
        mismatch = ask(pattern, event)
    except UserError as error:
        raise WrongInput(error.render()) from None
    _report(mismatch, with_reason=with_reason, as_json=as_json)
    return FINE if mismatch is None else FAILED


def _report(mismatch: Mismatch | None, *, with_reason: bool, as_json: bool) -> None:
    reason = str(mismatch) if with_reason and mismatch is not None else None
    if as_json:
        shown: dict[str, Any] = {"match": mismatch is None}
        click.echo(json.dumps(shown if reason is None else {**shown, "mismatch": reason}))
        return
    click.echo("match" if mismatch is None else "no match")
    if reason is not None:
        click.echo(f"  {reason}")
