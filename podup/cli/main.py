"""From the words on the command line to an exit code.

A command's module is loaded when it runs, by the name in its row: the one place where that happens, so a
short command pays for itself only. An error is two lines on standard error: what happened, and what to do.
"""

import os
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, TextIO

from podup.cli import overview
from podup.cli.context import Context
from podup.cli.output import Output
from podup.cli.parse import Asked, AskedForGroup, parse
from podup.cli.row import Command
from podup.errors import EXIT_DONE, EXIT_FAILED, PodupError, error_of_os
from podup.settings.environment import Environment, of_this_process
from podup.settings.load import Loaded, load

_INTERRUPTED = 130
_COLUMNS = 80
OpenApp = Callable[[Loaded], Any]


def main(program: str, words: list[str], open_app: OpenApp) -> int:
    """Run what these words ask for; return the exit code. `open_app` builds what commands work with."""
    environment = of_this_process()
    out = Output(sys.stdout, sys.stderr, environment=environment.variables, columns=_columns)
    try:
        code = run(program, words, _context(program, out, environment, open_app))
        out.flush()
        return code
    except PodupError as error:
        out.error(program, error.message, error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        out.error(program, "interrupted", "")
        return _INTERRUPTED
    except BrokenPipeError:
        return EXIT_FAILED  # the reader went away (`| head`)
    except OSError as error:
        told = error_of_os(error)
        out.error(program, told.message, told.hint)
        return told.exit_code
    finally:
        _let_go(sys.stdout)
        _let_go(sys.stderr)


def run(program: str, words: list[str], context: Context) -> int:
    """Run the command these words ask for; raises PodupError for what goes wrong."""
    asked = parse(words, program=program)
    if isinstance(asked, AskedForGroup):
        context.out.text(overview.render_group(program, asked.word))
        return EXIT_DONE
    if asked.wants_help:
        context.out.text(overview.render_command(program, asked.command))
        return EXIT_DONE
    return _call(asked, context)


def _call(asked: Asked, context: Context) -> int:
    return int(function_of(asked.command)(asked.values, context))


def function_of(command: Command) -> Callable[..., int]:
    """Load a command's module and return the function its row names."""
    function: Callable[..., int] = getattr(import_module(command.module), command.function)
    return function


def _context(program: str, out: Output, environment: Environment, open_app: OpenApp) -> Context:
    @cache
    def settings() -> Loaded:
        return load(environment)

    @cache
    def app() -> Any:
        return open_app(settings())

    return Context(program=program, out=out, settings=settings, app=app)


def _let_go(stream: TextIO) -> None:
    """Drop what cannot be written: the interpreter would try at its end, and change the exit code."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return _COLUMNS  # not a terminal, or one that does not know its size
