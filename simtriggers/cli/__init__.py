"""The command line: one module for each command, loaded when the command is used.

Importing this imports nothing else of the package, and printing the help needs no library: it is the
first thing that people wait for.
"""

from __future__ import annotations

import sys

from .. import __version__

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("init:command", "Make a small working project with a scenario and a test."),
    "up": ("up:command", "Run a project live: folders, queues, schedules."),
    "advance": ("advance:command", "Let the running simulator skip ahead, as in: advance 15m."),
    "test": ("test:command", "Run scenarios in virtual time and check what they expect."),
    "invoke": ("invoke:command", "Invoke one function and show its log and response."),
    "why": ("why:command", "Explain why something happened, from its first cause on."),
    "why-not": ("why_not:command", "Explain why something did not trigger a function, queue or rule."),
    "trace": ("trace:command", "List, filter and follow what happened."),
    "plan": ("plan:command", "Show what triggers what and when schedules fire; run nothing."),
    "validate": ("validate:command", "Check projects and scenarios; show everything that is wrong."),
    "schema": ("schema:command", "Print the JSON Schema of project or scenario files, for editors."),
    "next": ("next:command", "Print when a schedule expression fires next."),
    "match": ("match:command", "Tell whether an event matches an event pattern, and why not."),
}
"""Each command: its module and the name in it, and the line that the help shows."""

USAGE, FAILED, FINE, INTERRUPTED = 2, 1, 0, 130
_STARTED_OVER = "SIMTRIGGERS_STARTED_OVER"


def help_text() -> str:
    """What `simtriggers --help` prints."""
    width = max(map(len, COMMANDS)) + 2
    listed = "\n".join(f"  {name:<{width}}{line}" for name, (_, line) in COMMANDS.items())
    return f"""\
Usage: simtriggers [OPTIONS] COMMAND [ARGS]...

  Run event-driven AWS Lambda functions here: live on folders, queues and
  schedules, or in virtual time, where a week takes a second.

Options:
  --version  Show the version and exit.
  --help     Show this message and exit.

Commands:
{listed}

  simtriggers COMMAND --help says more about each."""


def run(arguments: list[str]) -> int:
    """Carry out one command line; returns the exit code (0 fine, 1 an expectation failed, 2 wrong input)."""
    if arguments in ([], ["--help"], ["-h"], ["--version"]):
        print(f"simtriggers {__version__}" if arguments == ["--version"] else help_text())
        return FINE
    from .group import carry_out

    return carry_out(arguments)


def main() -> None:
    """The console script."""
    try:
        if sys.argv[1:2] == ["test"]:
            _fix_hash_seed()
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while the command was still being loaded
        code = INTERRUPTED
    sys.exit(code)


def _fix_hash_seed() -> None:
    """Start over with PYTHONHASHSEED=0, once: the order of a handler's sets must not differ between runs."""
    import os

    if os.environ.get("PYTHONHASHSEED") == "0" or _STARTED_OVER in os.environ:
        return
    environment = {**os.environ, "PYTHONHASHSEED": "0", _STARTED_OVER: "1"}
    again = [sys.executable, *sys.orig_argv[1:]]
    if os.name != "nt":
        sys.stdout.flush()
        os.execve(sys.executable, again, environment)
    import subprocess

    sys.exit(subprocess.run(again, env=environment, check=False).returncode)
