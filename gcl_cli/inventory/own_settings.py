"""What a user chose for an artifact: its recorded settings that differ from the defaults of its preset."""

import shlex
from collections.abc import Mapping
from typing import Any

from gcl_cli.artifacts.folders import FoundFolder
from gcl_cli.config.presets import PRESETS, settings_for
from gcl_cli.config.setting import typed_text
from gcl_cli.config.stages import DEFAULT_METHOD, STAGE_SETTINGS, gan_warmup_key, warmup_key
from gcl_cli.inventory.survey import Survey

_RECORDED = (
    "dataset",
    "meshes",
    "views",
    "crops",
    "corrections",
)  # inputs from outside the work folder whose place is written somewhere
_USUAL = {"meshes": ("mesh/main",), "encoder": ("warmup/main",), "generator": ("gan-warmup/main", "mesh")}


def settings_key(stage: str, config: Mapping[str, Any]) -> str:
    """Where the settings of an artifact are listed: a warm-up's by its method, a generator's by what draws."""
    if stage == "gan-warmup":
        return gan_warmup_key(config.get("generator"))
    return warmup_key(config.get("method", DEFAULT_METHOD)) if stage == "warmup" else stage


def own_settings(stage: str, config: Mapping[str, Any], preset: str) -> dict[str, Any]:
    """The recorded settings that are not the preset's; empty for a stage without settings."""
    model = STAGE_SETTINGS.get(settings_key(stage, config))
    if model is None:
        return {}
    usual = settings_for(model, settings_key(stage, config), preset, {}).model_dump(mode="json")
    if (
        stage == "gan-warmup"
    ):  # what draws is how its other settings were found: it has to be said where it is not usual
        usual["generator"] = settings_for(model, stage, preset, {}).model_dump()["generator"]
    return {name: config[name] for name, value in usual.items() if name in config and config[name] != value}


def preset_of(found: FoundFolder, everything: Survey) -> str:
    """The preset that an artifact was made with: its own, or that of the encoder or generator that it measures."""
    config = found.config
    if config.get("preset") in PRESETS:
        return str(config["preset"])
    source = everything.finished(str(config.get("encoder") or config.get("generator") or ""))
    preset = source.found.config.get("preset") if source else None
    return str(preset) if preset in PRESETS else "paper"


def in_short(found: FoundFolder, everything: Survey) -> dict[str, Any]:
    """What tells an artifact from others of its kind: preset, method, sources, and its own settings."""
    config = found.config
    named = {key: config[key] for key, usual in _USUAL.items() if config.get(key) not in (None, *usual)}
    named |= {"preset": config["preset"]} if config.get("preset") else {}
    if config.get("method", DEFAULT_METHOD) != DEFAULT_METHOD:
        named["method"] = config["method"]
    return named | own_settings(found.stage, config, preset_of(found, everything))


def command_for(found: FoundFolder, everything: Survey) -> str:
    """What to type to make an artifact, or to go on with it, as it was made before."""
    config, words = found.config, ["gcl", found.stage]
    if found.stage == "search":  # an index, whose name gcl makes of folder and encoder
        return f"{shlex.join([*words, str(config.get('gallery', 'GALLERY'))])} PICTURE{_indexed_by(config)}"
    chosen = own_settings(found.stage, config, preset_of(found, everything))
    if found.stage == "warmup":
        words += ["--preset", preset_of(found, everything)]
        words += ["--method", config["method"]] if config.get("method", DEFAULT_METHOD) != DEFAULT_METHOD else []
    words += _sources(found)
    words += [word for name, value in chosen.items() for word in ("--set", f"{name}={typed_text(value)}")]
    words += [] if found.name in ("main", _measured(config)) else ["--name", found.name]
    line = shlex.join(words)
    return " ".join([line, *(f"--{name} DATA" for name in unnamed_inputs(found) if not name.startswith("init"))])


def _indexed_by(config: Mapping[str, Any]) -> str:
    """The options by which a search uses this very index: an encoder of the work folder, or weights from elsewhere."""
    encoder = str(config.get("encoder", "warmup"))
    option = "--encoder" if encoder.partition("/")[0] in ("warmup", "joint") else "--init"
    return f" {option} {shlex.quote(encoder)}" + (" --flip" if config.get("flip") else "")


def unnamed_inputs(found: FoundFolder) -> list[str]:
    """Inputs from outside the work folder whose place is written nowhere: only their own command can name them."""
    outside = [key for key in found.inputs if "/" not in key and key not in _RECORDED]
    return [key for key in outside if (found.stage, key) != ("warmup", "init")]  # which is a setting there


def _sources(found: FoundFolder) -> list[str]:
    """The options that name what a stage reads, where that is not what it would take by itself."""
    config, stage = found.config, found.stage
    words: list[str] = []
    if stage == "cluster":  # other crops than the training pictures
        words += [config["crops"]] if config.get("crops") else []
        words += ["--camera-from", config["camera_from"]] if config.get("camera_from") else []
    if stage == "render" and config.get("meshes") not in (None, "mesh/main"):
        words += ["--meshes", config["meshes"].partition("/")[2]]
    if config.get("encoder") and (stage, config["encoder"]) != ("gan-warmup", "warmup/main"):
        words += ["--encoder", config["encoder"]]
    if stage == "gen-metrics" and config.get("generator"):
        words += ["--generator", config["generator"]]
    if stage == "joint" and config.get("generator") not in (None, "gan-warmup/main"):
        words += ["--generator", config["generator"].partition("/")[2]]
    if stage != "warmup" and config.get("init"):
        words += ["--init", config["init"]]
    return words + [word for file in config.get("init_gan", ()) for word in ("--init-gan", file)]


def _measured(config: Mapping[str, Any]) -> str:
    """The name that a measurement gets by itself."""
    return str(config.get("encoder") or config.get("generator") or "").replace("/", "-")
