"""`simtriggers advance`: the running live simulator skips ahead."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import click

from ..aws.quantities import parse_duration_ms
from ..errors import UserError, worded


@click.command("advance")
@click.argument("duration")
@click.option("--port", default=4566, show_default=True, help="Port of the running simulator.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(duration: str, port: int, as_json: bool) -> None:
    """Let DURATION (such as 15m) of simulated time pass at once.

    What is due in between happens in its order; running handlers are waited for.
    """
    try:
        parse_duration_ms(duration)
    except ValueError as error:
        raise worded(error) from None
    answer = _post(port, {"advance": duration})
    print(json.dumps(answer) if as_json else f"it is {answer['time']} now")


def _post(port: int, step: dict[str, object]) -> dict[str, str]:
    url = f"http://127.0.0.1:{port}/_simtriggers/steps"
    request = urllib.request.Request(url, json.dumps(step).encode(), method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            result: dict[str, str] = json.load(answer)["result"]
            return result
    except urllib.error.HTTPError as error:
        text = error.read().decode("utf-8", "replace")
        try:
            text = json.loads(text)["error"]["message"]
        except (ValueError, KeyError, TypeError):
            text = f"what answers on port {port} is no simtriggers"
        raise UserError(text) from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        why = "nothing listens there" if isinstance(reason, ConnectionRefusedError) else _plain(reason)
        raise UserError(
            f"no simulator answers on port {port}: {why}",
            fix="start one with `simtriggers up`, or name its port with --port",
        ) from None


def _plain(reason: object) -> str:
    """An error of the operating system's without its number."""
    text = getattr(reason, "strerror", None) or str(reason)
    return text[:1].lower() + text[1:]
