"""Weights of structure encoder, generator and discriminator that were made elsewhere."""

from collections.abc import Sequence

from torch import nn

from gcl_cli import console
from gcl_cli.artifacts.foreign_weights import ENDINGS, made_here
from gcl_cli.artifacts.weights import read_architecture
from gcl_cli.config import Architecture
from gcl_cli.errors import GclError
from gcl_cli.networks.foreign_gan import translate_gan
from gcl_cli.networks.foreign_names import refuse_non_finite
from gcl_cli.weights.given_weights import GivenWeights, given_weights
from gcl_cli.weights.networks import GAN

NEEDED = ("structure_encoder", "generator")  # a discriminator can start anew


def gan_digests(files: Sequence[str]) -> dict[str, str]:
    """The digests of the files of `--init-gan`; GclError where one is not there."""
    return {f"init-gan-{number}": _given(file).digest for number, file in enumerate(files)}


def with_layout_of(files: Sequence[str], architecture: Architecture) -> Architecture:
    """`architecture` with the part layout that the weights were trained with: the published code's, or a header's."""
    if not files:
        return architecture
    paths = [_given(file).path for file in files]
    layouts = {read_architecture(path).part_layout if made_here(path) else "channel_major" for path in paths}
    if len(layouts) > 1:
        raise GclError("The files of --init-gan are of different part layouts.", "Give files of one training run.")
    return architecture.model_copy(update={"part_layout": layouts.pop()})


def load_gan_files(files: Sequence[str], networks: dict[str, nn.Module]) -> None:
    """Put the weights of `--init-gan` into the networks, and say on stderr which they were.

    Raises GclError where structure encoder or generator are missing, or something cannot be told apart.
    """
    loaded: dict[str, str] = {}
    for file in files:
        tensors = _given(file).tensors()
        for name in GAN:
            found = translate_gan(tensors, networks[name], file=file)
            if found is None:
                continue
            if name in loaded:
                raise GclError(f"{file} and {loaded[name]} both hold a {_words(name)}.", "Give one of them.")
            refuse_non_finite(found)
            networks[name].load_state_dict(found)
            loaded[name] = file
            console.say(f"--init-gan {file}: {_words(name)}, {sum(t.numel() for t in found.values()):,} values (100 %)")
    for name in GAN:
        if name in NEEDED and name not in loaded:
            raise GclError(
                f"No file of --init-gan holds a {_words(name)} of this size.",
                "Give the generator's file, and the --init it was trained with (preset paper for the published one).",
            )
        if name not in loaded:
            console.warn(f"No file of --init-gan holds a {_words(name)}: it starts anew.")
    if not all(made_here(_given(file).path) for file in loaded.values()):
        console.warn(
            "Weights were matched by the order and shapes of their layers. Assumed: dilations 3, 6, 9 in this order, "
            "discriminators from the largest scale on, the published cut of the part code (part_layout channel_major)."
        )


def _given(file: str) -> GivenWeights:
    """A file of `--init-gan`; GclError where it is not there."""
    given = given_weights(file)
    if given is None:
        raise GclError(f"--init-gan {file}: there is no such file.", f"Name weight files ({', '.join(ENDINGS)}).")
    return given


def _words(name: str) -> str:
    return name.replace("_", " ")
