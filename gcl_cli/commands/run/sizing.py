"""How much training a machine is given where nobody chose a preset."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gcl_cli.config.presets import PRESETS, settings_for
from gcl_cli.config.stages import STAGE_SETTINGS

LENGTHS = {  # stage -> the settings that say how long it trains
    "warmup": ("epochs",), "joint": ("epochs",),
}  # fmt: skip
WHOLE = 1500  # training pictures that are worth all of a preset's epochs; fewer get their share,
LEAST = 0.35  # but never less than this one
NARROW = 0.32  # radius of clusters where cameras are not known: no mean of theirs can be taken away
LOOKED_AT = 32  # generated people that `gcl gen-metrics` looks at then: it measures, and changes no answer


@dataclass(frozen=True)
class Size:
    """A preset, and which settings of the steps make its training shorter."""

    preset: str
    chosen: dict[str, dict[str, Any]] = field(default_factory=dict)  # stage -> settings
    said: str = ""  # what was chosen, in words


def size_for(pictures: int, *, on_card: bool, cameras_known: bool = True) -> Size:
    """The paper's size for a GPU; on a CPU the small networks, trained for as long as so many pictures are worth.

    Where cameras are not known, these join fewer pictures into a cluster (400 crops of a synthetic city: labels agreed
    with the people by .66, adjusted Rand index, after a warm-up at .32, and by .37 at the preset's radius).
    """
    if on_card:
        return Size("paper", said="A GPU is there: preset paper. Smaller networks: --preset small")
    share = min(1.0, max(LEAST, pictures / WHOLE))
    chosen: dict[str, dict[str, Any]] = {} if share == 1 else {stage: _shortened(stage, share) for stage in LENGTHS}
    if share < 1 and pictures > LOOKED_AT:
        chosen["gen-metrics"] = {"pictures": LOOKED_AT}
    said = "No GPU is used: preset small. Smaller networks: --preset tiny"
    if share < 1:
        said = (
            f"No GPU is used, and {pictures:,} pictures: preset small, with {share:.0%} of its epochs. "
            "All of them: --preset small"
        )
    if not cameras_known:
        chosen |= {stage: chosen.get(stage, {}) | {"radius": NARROW} for stage in LENGTHS}
        said += f". Cameras are not known: --radius {NARROW} for warmup and joint"
    return Size("small", chosen, said)


def drawn_as_read(size: Size, asked: Mapping[str, Mapping[str, Any]]) -> Size:
    """The same, with bodies drawn at the size of the networks, where neither is asked for otherwise.

    asked: stage -> settings, as typed.
    """
    networks = {**PRESETS[size.preset]["architecture"], **asked.get("warmup", {})}
    drawn: dict[str, Any] = {side: networks[side] for side in ("height", "width") if side in networks}
    return replace(size, chosen={**size.chosen, "render": drawn}) if drawn else size


def _shortened(stage: str, share: float) -> dict[str, Any]:
    """The lengths of a stage of the small preset, cut down to a share."""
    usual = settings_for(STAGE_SETTINGS[stage], stage, "small", {})
    return {name: max(1, round(share * getattr(usual, name))) for name in LENGTHS[stage]}
