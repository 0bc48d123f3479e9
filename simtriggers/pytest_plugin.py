"""The pytest plugin: the fixture `simtriggers`, a project in virtual time for one test.

Installed with the package. Imports nothing of the simulator until a test uses the fixture. Handlers are
the imported modules themselves, so that `mock.patch`, breakpoints and coverage work; the marker asks for
separate instances: `@pytest.mark.simtriggers(project=…, start=…, seed=…, isolated=True)`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .engine.virtual import Idle
    from .operations import InvocationResult, MessageAttributes
    from .services.s3.commands import ObjectPut
    from .services.sqs.commands import SendResult
    from .simulation import Simulation

FILE = "simtriggers.yaml"
INI = "simtriggers_project"
_MARKER = "simtriggers(project=PATH, start=TIME, seed=N, isolated=BOOL): how the fixture runs the project"
_OPTIONS = {"project", "start", "seed", "isolated"}
_CODE_URI = re.compile(r"""\bcode_uri:\s*['"]?([^\s'",}#]+)""")
_TRACE_LINES = 200
_USED = "simtriggers_used"
"""An attribute of the reports of tests that used the fixture; it comes over from pytest-xdist's workers."""


# --- what tests use -----------------------------------------------------------------------------


class Simtriggers:
    """A project in virtual time. `sim` is the whole Python API; the methods here are its short forms."""

    def __init__(self, simulation: Simulation) -> None:
        self.sim = simulation

    def __getattr__(self, name: str) -> Any:
        """Say where to find what the fixture itself does not have."""
        __tracebackhide__ = True
        from .project.load import suggest

        if name[0] != "_" and "sim" in vars(self) and hasattr(self.sim, name):
            raise AttributeError(f"the fixture has no {name!r}; write simtriggers.sim.{name}")
        near = suggest(name, [each for each in dir(self) if not each.startswith("_")])
        raise AttributeError(f"the fixture has no {name!r}; {near}".removesuffix("; "))

    def put(self, bucket: str, key: str, body: str | bytes = b"", **options: Any) -> ObjectPut:
        """Put an object into a bucket."""
        return self.sim.bucket(bucket).put(key, body, **options)

    def send(
        self,
        queue: str,
        body: Any,
        *,
        delay_seconds: int | None = None,
        message_attributes: MessageAttributes | None = None,
        message_group_id: str | None = None,
        message_deduplication_id: str | None = None,
    ) -> SendResult:
        """Send a message; a body that is no text is sent as JSON."""
        return self.sim.queue(queue).send(
            body,
            delay_seconds=delay_seconds,
            message_attributes=message_attributes,
            message_group_id=message_group_id,
            message_deduplication_id=message_deduplication_id,
        )

    def invoke(self, function: str, event: Any = None, **options: Any) -> InvocationResult:
        """Invoke a function and wait for its response; `invocation_type="Event"` does not wait."""
        return self.sim.invoke(function, event, **options)

    def advance(self, duration: str | int | float) -> None:
        """Let virtual time pass: `15m`, or a number of seconds."""
        self.sim.advance(duration)

    def run_until_idle(self, horizon: str | int | float = "24h") -> Idle:
        """Run until nothing is left to do but recurring schedules."""
        return self.sim.run_until_idle(horizon)

    def expect(self, *words: str, **expectations: Any) -> None:
        """Fail the test unless every expectation holds now; they are those of scenario files.

        `expect("nothing_lost")`, `expect(invocations={"function": "parse", "count": 3})`.
        """
        __tracebackhide__ = True
        from .scenario.expect import check

        wanted: list[str | dict[str, Any]] = [*words, *({name: item} for name, item in expectations.items())]
        if not wanted:
            raise TypeError("expect() needs an expectation, such as expect('nothing_lost')")
        failures = [failure for each in wanted for failure in check(self.sim, each)]
        if failures:
            raise AssertionError("\n".join(failures))


@pytest.fixture
def simtriggers(request: pytest.FixtureRequest) -> Iterator[Simtriggers]:
    """A project in virtual time: put, send, invoke, advance, run_until_idle, expect, and `sim` for the rest."""
    from .errors import UserError
    from .simulation import Simulation

    options = _options(request)
    isolated = options.pop("isolated", False)
    project = _project(request, options.pop("project", None))
    try:
        simulation = Simulation.load(project, shared_modules=not isolated, **options)
    except UserError as error:
        pytest.fail(f"simtriggers cannot run the project\n{error.render()}", pytrace=False)
    with simulation:
        yield Simtriggers(simulation)


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The keyword arguments of the test's markers; the nearest wins."""
    options: dict[str, Any] = {}
    for marker in request.node.iter_markers("simtriggers"):
        unknown = sorted(marker.kwargs.keys() - _OPTIONS)
        if unknown or marker.args:
            wrong = ", ".join([*map(repr, marker.args), *unknown])
            pytest.fail(f"@pytest.mark.simtriggers does not take {wrong}; it is {_MARKER}", pytrace=False)
        options = {**marker.kwargs, **options}
    return options


def _project(request: pytest.FixtureRequest, named: str | Path | None) -> Path:
    """The project that a test means: the marker's (relative to the test's folder, or to the rootdir), the ini
    option's (relative to the rootdir), or the nearest one above the test, within its git repository if it is in one."""
    root = request.config.rootpath
    if named is not None:
        beside = request.path.parent / named
        return beside if beside.exists() else root / named
    configured = str(request.config.getini(INI))
    if configured:
        return root / configured
    found = _nearest(request.path.parent, root)
    if found is None:
        pytest.fail(
            f"there is no {FILE} in {request.path.parent} or above, up to {_top(request.path.parent)}\n"
            f"  fix: make a project with `simtriggers init`, set {INI} in the pytest configuration,"
            " or mark the test: @pytest.mark.simtriggers(project=…)",
            pytrace=False,
        )
    return found


def _nearest(folder: Path, root: Path) -> Path | None:
    top = _top(folder)
    for place in (folder, *folder.parents):
        if (place / FILE).is_file():
            return place / FILE
        if place == top:
            break
    return root / FILE if (root / FILE).is_file() else None


def _top(folder: Path) -> Path:
    """Up to where a project is looked for: the top of the git repository, or of the file system."""
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), Path(folder.anchor))


# --- hooks --------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini option."""
    parser.addini(INI, f"The project of the fixture `simtriggers`: a {FILE}, relative to the rootdir.", default="")


def pytest_configure(config: pytest.Config) -> None:
    """The marker."""
    config.addinivalue_line("markers", _MARKER)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> None:
    """Make the handlers of the project above a test module importable, before the module is imported."""
    root = parent.config.rootpath
    configured = str(parent.config.getini(INI))
    project = root / configured if configured else _nearest(module_path.parent, root)
    if project is not None:
        _make_importable(project / FILE if project.is_dir() else project)


def _make_importable(project: Path) -> None:
    """Put the folders of the project's code on sys.path; read off the text, so that no parser is loaded."""
    try:
        text = project.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    for folder in (".", *_CODE_URI.findall(text)):
        path = (project.parent / folder).resolve()
        if path.is_dir() and str(path) not in sys.path:
            sys.path.insert(0, str(path))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the trace so far with a test that failed, and of a mistake in the test only the test's own lines."""
    used = getattr(item, "funcargs", {}).get("simtriggers")
    if call.excinfo is not None and isinstance(used, Simtriggers) and not item.config.getoption("fulltrace", False):
        _leave_out_our_lines(call.excinfo.value)
    report = yield
    if report.when == "call" and isinstance(used, Simtriggers):
        setattr(report, _USED, True)
        if report.failed:
            report.sections.append(("simtriggers trace", _trace(used.sim)))
    return report


def _leave_out_our_lines(error: BaseException) -> None:
    """Where simtriggers itself refused something, its text says all; the way to it through our code says nothing."""
    from .errors import AwsFault, UserError

    if isinstance(error, UserError | AwsFault):
        last, step = None, error.__traceback__
        while step is not None:
            if not step.tb_frame.f_globals.get("__name__", "").startswith("simtriggers."):
                last = step
            step = step.tb_next
        if last is not None:
            last.tb_next = None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line, where tests used the fixture and a handler may behave differently in the next run."""
    if os.environ.get("PYTHONHASHSEED", "random") != "random":
        return
    if any(getattr(report, _USED, False) for reports in terminalreporter.stats.values() for report in reports):
        terminalreporter.write_line(
            "simtriggers: a handler that goes by the order of a set may differ from run to run;"
            " PYTHONHASHSEED=0 pytest makes all runs alike"
        )


def _trace(simulation: Simulation) -> str:
    from .explain import hints, narrated

    rows = simulation.trace
    left_out = len(rows) - _TRACE_LINES
    lines = [f"… {left_out} rows before these are left out"] if left_out > 0 else []
    lines += narrated(rows[-_TRACE_LINES:], simulation.payload)
    return "\n".join([*lines, *(f"fix: {each}" for each in hints(rows))])
