"""The click group of all commands: loads the one that is used, and turns errors into messages and exit codes."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from importlib import import_module

import click

from .. import __version__
from ..errors import AwsFault, SimtriggersError, UserError
from . import COMMANDS, FAILED, FINE, INTERRUPTED, USAGE, help_text


class Commands(click.Group):
    """Commands by the names of the table; a module is imported when its command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        found = getattr(import_module(f"{__package__}.{module}"), name)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first argument names; a usage error with the nearest names otherwise."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], COMMANDS, n=3, cutoff=0.5)
            hint = f" Did you mean {' or '.join(near)}?" if near else " See simtriggers --help."
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The same text that is printed without click."""
        formatter.write(help_text())


group = Commands("simtriggers", context_settings={"help_option_names": ["-h", "--help"]})
click.version_option(__version__, message="simtriggers %(version)s")(group)


def carry_out(arguments: list[str]) -> int:
    """Run one command line; returns its exit code. Errors of the user's are printed without a traceback."""
    try:
        code = group.main(arguments, prog_name="simtriggers", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough. Without this, Python complains once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except UserError as error:
        click.echo(error.render(), err=True)
        return USAGE
    except AwsFault as error:
        click.echo(f"AWS would answer: {error}", err=True)
        return FAILED
    except SimtriggersError as error:
        click.echo(str(error), err=True)
        return USAGE
    return code if isinstance(code, int) else FINE
