"""`simtriggers up`: a project live, one readable line for each thing that happens."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..kernel.clock import iso_ms

if TYPE_CHECKING:
    from ..kernel.trace import TraceRow
    from ..live.app import LiveApp
    from ..project.model import Resources

_MINOR = frozenset({"AsyncEventAccepted", "LogLines", "MessageReceived", "NotificationsNotMatched"})
"""Rows that say what the row before or after them says as well; --verbose shows them."""

_SETTING_UP = frozenset(
    {
        "ArchiveChanged",
        "ArchiveCreated",
        "BucketChanged",
        "BucketCreated",
        "EndpointChanged",
        "EndpointCreated",
        "EventBusChanged",
        "EventBusCreated",
        "FolderScanned",
        "MappingEnabled",
        "QueueCreated",
        "QueueUpdated",
        "RuleChanged",
        "RuleCreated",
        "RuleTargetsChanged",
        "ScheduleChanged",
        "ScheduleGroupChanged",
        "ScheduleGroupCreated",
        "ScheduleStarted",
        "Started",
        "SubscriptionCreated",
        "SubscriptionUpdated",
        "TopicCreated",
        "TopicUpdated",
    }
)
"""Rows of the start, which the list of what is up replaces; --verbose shows them."""


class Terminal:
    """The live simulator's screen: plain lines on standard output, colour where it is a terminal.

    `verbose` shows every trace row; otherwise what only repeats another row is left out.
    """

    def __init__(self, *, verbose: bool, colour: bool) -> None:
        self._verbose = verbose
        self._colour = colour
        self._app: LiveApp | None = None
        self._day = ""

    def _say(self, text: str, style: str = "") -> None:
        code = {"bad": "31", "good": "32", "dim": "2"}.get(style)
        print(f"\x1b[{code}m{text}\x1b[0m" if code and self._colour else text, flush=True)

    def _date(self, at_ms: int) -> None:
        """A line of the date where the day changes (UTC, as the times are)."""
        today = iso_ms(at_ms)[:10]
        if today != (self._day or today):
            self._say(today, "dim")
        self._day = today

    def ready(self, app: LiveApp) -> None:
        """Everything is up."""
        self._app = app
        for line in _declared(app.project.resources):
            self._say(line)
        speed = f"{app.options.speed:g} times as fast as the clock, " if app.options.speed != 1 else ""
        self._say(f"simtriggers is up on {app.url} ({speed}state in {_short(app.state)}); Ctrl-C stops it", "good")

    def row(self, row: TraceRow) -> None:
        """A trace row was committed."""
        from ..explain import hint, narrate

        hidden = _MINOR if self._app is not None else _MINOR | _SETTING_UP
        if self._verbose or row.kind not in hidden:
            self._date(row.at_ms)
            bad = row.kind.endswith(("Failed", "Dropped", "Skipped")) or "DeadLetter" in row.kind
            self._say(narrate(row, self._payload), "bad" if bad else "")
            if row.kind == "InvocationFailed":
                fix = hint(row.details.get("error_type"), row.details.get("error_message"), live=True)
                if fix is not None:
                    self._say(f"{'':14}fix: {fix}", "good")

    def _payload(self, digest: str) -> str | None:
        return None

    def log(self, function: str, text: str) -> None:
        """A handler wrote a line."""
        at = ""
        if self._app is not None:
            now_ms = self._app.engine.clock.now_ms()
            self._date(now_ms)
            at = iso_ms(now_ms)[11:23]
        for line in text.rstrip("\n").splitlines():
            self._say(f"{at}  {function} | {line}", "dim")

    def problem(self, text: str) -> None:
        """Something is wrong that does not end the run."""
        print(text, file=sys.stderr, flush=True)

    def reloaded(self, what: str) -> None:
        """The project or a handler's code changed and was taken over."""
        self._say(f"reloaded: {what} changed", "good")

    def stopping(self, running: list[str]) -> None:
        """Stopping; these handlers still run."""
        tail = f"; waiting for {', '.join(running)} (Ctrl-C again ends them)" if running else ""
        self._say(f"stopping{tail}")


def _declared(resources: Resources) -> Iterator[str]:
    """A line for each thing that the project declares, by kind."""
    from ..project.model import Resources as Sections
    from ..project.references import singular

    found = {singular(section).replace("_", " "): getattr(resources, section) for section in Sections.model_fields}
    width = max((len(word) for word, things in found.items() if things), default=0) + 2
    for word, things in found.items():
        for name, thing in things.items():
            where = ""
            if word == "bucket":
                where = f"  folder {thing.folder}" if thing.folder else "  in the state file"
            yield f"{word:<{width}}{name}{where}"


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


@click.command("up")
@click.argument("project", required=False, type=click.Path(path_type=Path))
@click.option("--port", default=4566, show_default=True, help="Port of the endpoint; 0 takes a free one.")
@click.option("--state", type=click.Path(path_type=Path), help="State file (default: .simtriggers/state.db).")
@click.option("--speed", default=1.0, show_default=True, help="60: a minute passes in a second.")
@click.option(
    "--synchronous",
    type=click.Choice(["normal", "full"]),
    default="normal",
    show_default=True,
    help="normal survives kill -9, full also the loss of power.",
)
@click.option("--no-reload", is_flag=True, help="Do not follow changes of the project and its code.")
@click.option("--prune", is_flag=True, help="Remove what the project no longer declares, with its data.")
@click.option("--verbose", "-v", is_flag=True, help="Show every trace row.")
def command(
    project: Path | None,
    port: int,
    state: Path | None,
    speed: float,
    synchronous: str,
    no_reload: bool,
    prune: bool,
    verbose: bool,
) -> None:
    """Run PROJECT (a simtriggers.yaml, or the folder of one) live, until Ctrl-C."""
    import anyio

    from ..live.app import LiveApp, Options

    if not 0 < speed <= 10_000:
        raise click.UsageError(f"--speed {speed:g} is not possible; write a number above 0 and up to 10000")
    if not 0 <= port <= 65_535:
        raise click.UsageError(f"--port {port} is not a port; write 0 to 65535")
    for stream in (sys.stdout, sys.stderr):
        # A key or a handler's line that the terminal cannot show must not end the run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    screen = Terminal(verbose=verbose, colour=sys.stdout.isatty())
    options = Options(project or Path(), port, state, speed, synchronous, not no_reload, prune)
    app = LiveApp(options, screen)
    try:
        anyio.run(app.serve)
    except BaseExceptionGroup as group:
        raise _only(group) from group
    if app.interrupted:
        raise KeyboardInterrupt


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error that ended the run, out of the groups that task groups wrap it in."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
