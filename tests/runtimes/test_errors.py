"""Every way in which a handler can end, the same in the process and in the inline runtime."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ruamel.yaml import YAML

from simtriggers.aws.contracts import Ended, Start
from simtriggers.runtimes.inline import InlineRuntime
from simtriggers.runtimes.process import ProcessRuntime
from tests.runtimes.support import HANDLERS, START_MS, FakeHub, start_of, texts

CASES = YAML(typ="safe").load((HANDLERS / "errors" / "cases.yaml").read_text(encoding="utf-8"))


def _start(case: dict[str, Any], runtime: str) -> Start:
    client = case.get("client_context")
    event = case.get("event", "{}")
    return start_of("errors", case["handler"], runtime=runtime, event=event, client_context=client)


def _check(case: dict[str, Any], ended: Ended) -> None:
    assert ended.status == case["status"]
    assert ended.keep == case.get("keep", True)
    if "payload" in case:
        assert ended.payload_text == case["payload"]
    else:
        assert case["contains"] in str(ended.payload_text)
    if "logs" in case:
        assert texts(ended) == case["logs"]
    if "log_contains" in case:
        assert case["log_contains"] in "".join(texts(ended))


def run_inline(start: Start) -> Ended:
    hub = FakeHub()
    runtime = InlineRuntime(hub)
    runtime.start(start)
    hub.run()
    runtime.aclose()
    [(_, _, ended)] = hub.ends
    return ended


@pytest.fixture(scope="module")
def by_process() -> dict[str, Ended]:
    async def run_all() -> dict[str, Ended]:
        runtime = ProcessRuntime(lambda: START_MS)
        ends = {}
        for case in CASES:
            ends[case["name"]] = await runtime.run(_start(case, "process"))
        await runtime.aclose()
        return ends

    return asyncio.run(run_all())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_inline(case: dict[str, Any]) -> None:
    _check(case, run_inline(_start(case, "inline")))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_process_agrees_with_inline(case: dict[str, Any], by_process: dict[str, Ended]) -> None:
    ended = by_process[case["name"]]
    _check(case, ended)
    inline = run_inline(_start(case, "inline"))
    assert (ended.status, ended.payload_text, texts(ended)) == (inline.status, inline.payload_text, texts(inline))
