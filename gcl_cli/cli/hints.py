"""What to type instead: where a word or an option that a command does not know is said."""

import re
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from gcl_cli.cli import pages
from gcl_cli.errors import did_you_mean

UsageError: Any = typer.BadParameter.__base__  # Typer has its own copy of click, or not, by its version
_EXTRA_WORDS = re.compile(r"unexpected extra arguments? \((\S+)|unexpected extra argument\(s\) \((\S+)")
_NAMED_WITH = {  # command -> how a folder or file that is no argument of its is named
    "evaluate": "Another data set is named with --dataset {word}",
    "gen-metrics": "Two folders are compared with --real DIR --generated {word}",
    "export": "The folder for the file is named with --to {word}",
    "report": "The page is named with --to {word}",
}
_WEIGHTS = (".pth", ".pt", ".tar", ".bin", ".ckpt", ".safetensors")
_STAGES = ("warmup", "joint", "gan-warmup")


class Command(TyperCommand):
    """A command whose usage errors say what to type, and whose help is a page."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of a call; usage errors get a second line."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except UsageError as error:
            others = getattr(parent.command, "commands", {}) if parent else {}
            _add(error, _hint(error, str(self.name), self, others))
            raise

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words; `--help-all` is help with the options of experts."""
        return super().parse_args(ctx, pages.with_help(ctx, args))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options."""
        pages.write_options(self, ctx, formatter)


class Group(TyperGroup):
    """All commands; an option in front of the command is told where it belongs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what stands before the command."""
        try:
            return super().parse_args(ctx, args)
        except UsageError as error:
            if option := getattr(error, "option_name", None):
                _add(error, f"Options follow the command: gcl COMMAND {option} ...")
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the commands in panels."""
        pages.print_commands(self, ctx)


def _add(error: Any, hint: str) -> None:
    if hint:
        error.message = f"{error.message}\n{hint}"
        error.possibilities = None  # the hint is better


def _hint(error: Any, name: str, command: Any, others: dict[str, Any]) -> str:
    if extra := _EXTRA_WORDS.search(error.message):
        return _where_said((extra[1] or extra[2]).rstrip(")"), name, command)
    if option := getattr(error, "option_name", None):
        return _whose_option(option, name, command, others)
    example = re.search(r"Example: (.*)", command.help or "")
    return f"Example: {example[1]}" if example and "Missing argument" in error.format_message() else ""


def _where_said(word: str, name: str, command: Any) -> str:
    """How a word is said that stands where no argument is left."""
    options = _options(command)
    if "=" in word:
        return f"A setting is given with --set {word}"
    if "--init" in options and (word.lower().endswith(_WEIGHTS) or word in ("imagenet", "imagenet-v2")):
        return f"Weights are named with --init {word}"
    if "--encoder" in options and word.partition("/")[0] in _STAGES and not Path(word).exists():
        return f"An artifact is named with --encoder {word}"
    if name in _NAMED_WITH:
        return _NAMED_WITH[name].format(word=word)
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    if arguments:
        return f"gcl {name} takes {' '.join(str(p.metavar or p.name) for p in arguments)} and no more."
    return f"gcl {name} works on what the work folder holds; another one is named with --work DIR"


def _whose_option(option: str, name: str, command: Any, others: dict[str, Any]) -> str:
    """Where an option is known: a setting without an option of its own, or another command."""
    from gcl_cli.config.stages import STAGE_SETTINGS

    key = option.lstrip("-").replace("-", "_")
    model = STAGE_SETTINGS.get(name)
    if model is not None and key in model.model_fields:
        return f"That is a setting: --set {key}=VALUE"
    if having := [other for other, one in others.items() if option in _options(one)]:
        return f"It is an option of {', '.join(f'gcl {other}' for other in having)}."
    known = {name: f"--set {name}" for name in (model.model_fields if model else ())}
    known |= {word.lstrip("-").replace("-", "_"): word for word in _options(command)}
    return did_you_mean(key, known, known) or f"See gcl {name} --help"


def _options(command: Any) -> list[str]:
    return [word for parameter in command.params for word in parameter.opts if word.startswith("--")]
