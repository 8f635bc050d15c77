"""The pages of `--help`: all commands in panels, and no more options of a command than one reads."""

import textwrap
from typing import Any

PAGE = 15  # options of a command that `--help` explains; `--help-all` explains the others too
ALL, _WANTED = "--help-all", "gcl.help_all"
PANELS = PIPELINE, MEASURE, USE, LOOK_AFTER = "Pipeline", "Measure", "Use", "Look after"
_SELDOM = (  # where a command has more options than a page: those that make room, first to last
    "tensorboard", "init_gan", "parity", "camstyle", "mesh_quality", "checkpoint_every", "data_root", "threads",
    "precision", "seed", "person_from", "clustering", "radius", "camera_aware", "import_from", "same_camera", "epoch",
    "temporal", "angles", "allow_subset", "init", "full_pictures", "generator", "iterations", "name",
)  # fmt: skip


def with_help(ctx: Any, words: list[str]) -> list[str]:
    """The words of a call with `--help` where `--help-all` stood, which the context remembers."""
    ctx.meta[_WANTED] = ALL in words
    return ["--help" if word == ALL else word for word in words]


def seldom(command: Any) -> list[Any]:
    """The options that do not fit on a command's page, in the order in which they were to go."""
    options = {p.name: p for p in command.params if p.param_type_name == "option" and not p.hidden}
    spare = max(len(options) - PAGE, 0)
    return [options[name] for name in _SELDOM if name in options][:spare]


def write_options(command: Any, ctx: Any, formatter: Any) -> None:
    """Arguments and options as click writes them; below, the names of those that are left out, and how to see them."""
    left_out = [] if ctx.meta.get(_WANTED) else seldom(command)
    shown = [(p, record) for p in command.get_params(ctx) if p not in left_out and (record := p.get_help_record(ctx))]
    for kind, title in (("argument", "Arguments"), ("option", "Options")):
        if records := [record for p, record in shown if p.param_type_name == kind]:
            with formatter.section(title):
                formatter.write_dl(records)
    for line in _below(command, left_out):
        wrapped = textwrap.wrap(line, formatter.width, break_on_hyphens=False)
        formatter.write("\n" + "\n".join(wrapped) + "\n")


def _below(command: Any, left_out: list[Any]) -> list[str]:
    """What stands under the options: where more of them are explained."""
    names = ", ".join(p.opts[0] for p in left_out)
    more = [f"More options: {names}. To have them explained: gcl {command.name} {ALL}"] if left_out else []
    with_settings = command.name != "run" and any(p.name == "set_more" for p in command.params)
    return more + [f"All settings, with ranges and meaning: gcl config {command.name}"] * with_settings


def print_commands(group: Any, ctx: Any) -> None:
    """The whole sentence of every command, in panels, at the width of the screen."""
    from rich.console import Console  # after the options were read: nothing else of `gcl` needs it so early

    screen = Console(highlight=False, markup=False, emoji=False)
    screen.print(f"Usage: {ctx.command_path} [OPTIONS] COMMAND [ARGS]...\n\n{group.help}\n")
    commands = [(name, command) for name in group.list_commands(ctx) if (command := group.get_command(ctx, name))]
    for panel in PANELS:
        rows = [(name, _sentence(one)) for name, one in commands if (one.rich_help_panel or USE) == panel]
        rows.sort(key=lambda row: row[0] != "run")  # who reads one line should read that of the whole chain
        screen.print(_panel(panel, rows, max(len(name) for name, _ in commands)))
    records = [record for p in group.get_params(ctx) if (record := p.get_help_record(ctx))]
    screen.print(_panel("Options", records, 0))
    screen.print("Options follow the command; gcl COMMAND --help explains them.")


def _sentence(command: Any) -> str:
    """What a command does: its help up to the example."""
    return " ".join((command.help or "").partition("Example:")[0].split())


def _panel(title: str, rows: list[tuple[str, str]], width: int) -> Any:
    from rich.panel import Panel
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=width, style="bold cyan")
    table.add_column()
    for row in rows:
        table.add_row(*row)
    return Panel(table, title=title, title_align="left", border_style="dim")
