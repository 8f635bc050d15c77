"""The commands as Python functions: `from gcl_cli.api import mesh, warmup`.

Every command of `gcl` is a function here, of the same name, with the same arguments, options, checks and defaults:
`gcl joint --epochs 20 --losses gan,vi` is `joint(epochs=20, losses=("gan", "vi"))`. It returns what `--json` prints, as
a dict; what a user can mend is raised as a GclError. Options left out have the value they have on the command line,
environment included. `--set` takes a dict, `set={"temperature": 0.1}`; `--from` is `from_`, since Python keeps `from`.

The functions live here and not in `gcl_cli` itself, where `synth` and `config` are rooms of the package.
"""

import inspect
import keyword
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, get_args

import typer
from typer.main import get_command

from gcl_cli import console
from gcl_cli.cli import app
from gcl_cli.config.setting import typed_text
from gcl_cli.errors import GclError

Function = Callable[..., dict[str, Any]]
_UNSAID = ("help", "as_json")  # what only the command line has


def __getattr__(name: str) -> Function:
    functions = _functions()
    if name not in functions:
        raise AttributeError(f"gcl has no command {name.replace('_', '-')!r}; it has {', '.join(functions)}")
    return functions[name]


def __dir__() -> list[str]:
    return [*_functions(), "GclError"]


@cache
def _functions() -> dict[str, Function]:
    commands: Mapping[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    return {name.replace("-", "_"): _function(name, command) for name, command in commands.items()}


def _function(name: str, command: Any) -> Function:
    """A command as a function: it types what it is given, so that nothing is read or checked in two ways."""
    parameters = {_keyword(parameter): parameter for parameter in command.params if parameter.name not in _UNSAID}
    signature = inspect.Signature(
        [_parameter(key, parameter, command.callback) for key, parameter in parameters.items()],
        return_annotation=dict[str, Any],
    )

    def function(*values: Any, **named: Any) -> dict[str, Any]:
        given = signature.bind(*values, **named).arguments
        options, arguments = [], ["--"]
        for key, value in given.items():
            if parameters[key].param_type_name == "argument":
                arguments += [] if value is None else _texts(value)
            elif value is not ...:
                options += _typed(parameters[key], value, is_setting=_is_setting(parameters[key], command.callback))
        if any(parameter.name == "as_json" for parameter in command.params):
            options.append("--json")
        return _invoked(command, name, [*options, *arguments])

    function.__name__ = function.__qualname__ = name.replace("-", "_")
    function.__doc__ = inspect.getdoc(command.callback)
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def _invoked(command: Any, name: str, words: list[str]) -> dict[str, Any]:
    """Run a command; returns what it would print."""
    with console.kept() as results:
        try:
            with command.make_context(name, words) as context:
                command.invoke(context)
        except typer.BadParameter as error:
            raise GclError(error.format_message(), f"See help(gcl_cli.api.{name.replace('-', '_')})") from error
        except typer.Exit:  # a finding: the result tells it
            if not results:
                raise
    return results[-1]


def _keyword(parameter: Any) -> str:
    """The name of an argument, or an option's as it is typed."""
    if parameter.param_type_name == "argument":
        return str(parameter.name)
    word = max(parameter.opts, key=len).lstrip("-").replace("-", "_")
    return f"{word}_" if keyword.iskeyword(word) else word


def _parameter(key: str, parameter: Any, callback: Any) -> inspect.Parameter:
    """The parameter of a signature. `...` as a default: the command's, which may depend on the preset."""
    default: Any
    if parameter.param_type_name == "argument":
        default = inspect.Parameter.empty if parameter.required else None
        return inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=Any)
    if parameter.multiple:
        annotation: Any = Mapping[str, Any] | Sequence[str] | None if key == "set" else Sequence[str] | None
        return inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
    if _is_setting(parameter, callback):
        default, annotation = Ellipsis, callback.settings[parameter.name].annotation
    else:
        default = parameter.default
        annotation, *_ = get_args(inspect.signature(callback).parameters[parameter.name].annotation)
    return inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _is_setting(parameter: Any, callback: Any) -> bool:
    return parameter.name in getattr(callback, "settings", {})


def _typed(option: Any, value: Any, *, is_setting: bool) -> list[str]:
    """An option as it is typed. None is a value of a setting; any other option is left out with it."""
    word = max(option.opts, key=len)
    if option.is_flag:
        words = [word] if value else option.secondary_opts[:1]
        return words if isinstance(value, bool) else _refuse(word, value)
    if option.multiple:
        pairs = [f"{key}={typed_text(item)}" for key, item in value.items()] if isinstance(value, Mapping) else value
        return [] if pairs is None else [f"{word}={item}" for item in _texts(pairs)]
    return [] if value is None and not is_setting else [f"{word}={typed_text(value)}"]


def _refuse(word: str, value: Any) -> list[str]:
    raise GclError(f"{word} is True or False, not {value!r}.", "Give one of the two, or leave it out.")


def _texts(value: Any) -> list[str]:
    """One text or several, as several."""
    several = isinstance(value, Sequence) and not isinstance(value, str)
    return [str(item) for item in value] if several else [str(value)]
