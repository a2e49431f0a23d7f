"""A command line: its commands, how their options are declared, and how it fails: one line on stderr, exit code 2."""

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

BAD_INPUT = 2

OUTPUT_PANEL = "Results"

_MESSAGE_LIMIT = 1000  # characters of one line of error


def option(panel: str, text: str, metavar: str | None, *names: str, **more: Any) -> Any:
    """An option of `panel`; `text` says what happens without it, since most defaults could not be typed."""
    return typer.Option(*names, help=text, metavar=metavar, rich_help_panel=panel, show_default=False, **more)


Json = Annotated[bool, option(OUTPUT_PANEL, "Print JSON on stdout, and nothing else there.", None, "--json")]


@contextmanager
def _help_may_be_cut_off() -> Iterator[None]:
    """As in ``eie-sim --help | head``: rich ends the process with 1 where its pipe is closed, and for nothing else."""
    try:
        yield
    except SystemExit:
        raise BrokenPipeError from None


class _Command(TyperCommand):
    """One command."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        with _help_may_be_cut_off():
            super().format_help(ctx, formatter)


class _Group(TyperGroup):
    """Commands under one name."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        with _help_may_be_cut_off():
            super().format_help(ctx, formatter)


class OneLineErrors(_Group):
    """A command line whose every failure of the user's making is one line on stderr, never a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run, and leave with an exit code."""
        kwargs["standalone_mode"] = False
        try:
            with warnings.catch_warnings():
                warnings.showwarning = lambda message, *_where, **_more: self._warn(message)
                code = super().main(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError:  # `eie-sim run | head`: the reader has had enough, which is no failure
            _abandon_stdout()
            sys.exit(0)
        except (ValueError, OSError, MemoryError) as error:
            self._fail(_message(error))
        except ImportError as error:
            if error.name is not None:  # a module that is not where it must be: a defect, no missing extra
                raise
            self._fail(_message(error))
        except Exception as error:
            if not hasattr(error, "format_message"):  # all errors of usage have it, whoever vendors click
                raise
            context = getattr(error, "ctx", None)
            path = self.name if context is None else context.command_path
            self._fail(f"{error.format_message()} (`{path} --help` tells more)")
        sys.exit(code if isinstance(code, int) else 0)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the options; ``--version`` and ``--help`` print."""
        try:
            return super().make_context(*args, **kwargs)
        except BrokenPipeError:
            raise BrokenPipeError from None  # click exits with 1 where it sees the number of the error

    def invoke(self, ctx: Any) -> Any:
        """Run a command; one whose reader has had enough has done what it could: click would exit with 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _abandon_stdout()
            return 0

    def _warn(self, message: Warning | str) -> None:
        """A warning of the library in the words of a command line: without the place in the source."""
        sys.stderr.write(f"{self.name}: warning: {' '.join(str(message).split())}\n")

    def _fail(self, message: str) -> None:
        line = "".join(c if c.isprintable() else "?" for c in " ".join(message.split()))
        sys.stderr.write(f"{self.name}: {line if len(line) <= _MESSAGE_LIMIT else line[:_MESSAGE_LIMIT] + ' ...'}\n")
        sys.exit(BAD_INPUT)


def _abandon_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def _message(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"out of memory: {error}" if str(error) else "out of memory"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return str(error) or type(error).__name__


def _paragraphs(command: Callable[..., Any]) -> str:
    """The docstring of `command`, each paragraph in one line, so that it is wrapped at the width of the terminal."""
    return "\n\n".join(" ".join(part.split()) for part in (inspect.getdoc(command) or "").split("\n\n"))


@dataclass(frozen=True)
class CommandGroup:
    """Commands under a name of their own, such as ``eie-sim sweep run``.

    Attributes
    ----------
    name, about : str
    commands : tuple of functions
    """

    name: str
    about: str
    commands: tuple[Callable[..., Any], ...]


def command_line(
    name: str, about: str, commands: Sequence[Callable[..., Any]], groups: Sequence[CommandGroup] = ()
) -> typer.Typer:
    """The command line `name` of some functions, each a command; without one of them it prints its help.

    Parameters
    ----------
    name : str
        Of the program, before every message.
    about : str
        What ``--help`` begins with.
    commands : sequence of functions
        Their parameters are declared as Typer has it.
    groups : sequence of CommandGroup
    """
    app = typer.Typer(
        name=name,
        cls=OneLineErrors,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for command in commands:
        app.command(help=_paragraphs(command), cls=_Command)(command)
    for group in groups:
        inner = typer.Typer(cls=_Group, no_args_is_help=True, rich_markup_mode="rich")
        for command in group.commands:
            inner.command(help=_paragraphs(command), cls=_Command)(command)
        app.add_typer(inner, name=group.name, help=group.about)

    def print_version(wanted: bool) -> None:
        if wanted:
            from compressor._version import __version__

            typer.echo(f"{name} {__version__}")
            raise typer.Exit

    @app.callback(invoke_without_command=True, help=about)
    def begin(
        context: typer.Context,
        _version: Annotated[
            bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
        ] = False,
    ) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return app
