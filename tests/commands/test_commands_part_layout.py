"""The part layout that a generator was born with follows it, whatever its encoder's file says."""

import pytest
import torch

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.artifacts.run import Run
from gcl_cli.commands.gan_warmup.command import _laid_out
from gcl_cli.config import Architecture, GanWarmupSettings
from gcl_cli.config.presets import PRESETS
from gcl_cli.errors import GclError
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.weights.networks import load_gan, new_gan, read_generator, save_networks
from gcl_cli.weights.starting_weights import open_encoder_of

CPU = torch.device("cpu")
STRIPE = Architecture(
    **PRESETS["tiny"]["architecture"] | {"trunk_width": 16, "generator_width": 2, "modulation_width": 8}
)
CHANNELS = STRIPE.model_copy(update={"part_layout": "channel_major"})


@pytest.fixture
def work(tmp_path):
    """An encoder whose file says stripe, and a generator of the published layout that was trained with it."""
    folder, encoder = WorkFolder(tmp_path), IdentityEncoder(STRIPE)
    initialise(encoder, torch.Generator().manual_seed(0))
    made = (("warmup", {"identity_encoder": encoder}, STRIPE), ("gan-warmup", new_gan(CHANNELS, 0, CPU), CHANNELS))
    for stage, networks, architecture in made:
        config = {"preset": "tiny", "encoder": "warmup/main"}
        with Run(folder, stage, "main", config, {}).begin(restart=False) as run:
            save_networks(run.folder, networks, architecture)
            run.publish({})
    return folder


def test_a_generator_cuts_the_code_as_it_did_where_it_was_trained(work):
    code = torch.rand(2, 128, 4, generator=torch.Generator().manual_seed(1))
    trained = new_gan(CHANNELS, 0, CPU)["generator"]
    again = load_gan(read_generator(work, "gan-warmup"), STRIPE, CPU)["generator"]
    assert again.modulator.part_layout == "channel_major"
    for one, other in zip(again.modulation(code), trained.modulation(code), strict=True):
        torch.testing.assert_close(one, other)


def test_the_encoder_of_a_generator_is_opened_with_the_generators_layout(work):
    opened = open_encoder_of(work, read_artifact(work, "gan-warmup/main"), init=None)
    assert opened.architecture == CHANNELS and opened.is_artifact
    assert opened.load(CPU).part_size == 128


@pytest.mark.parametrize(
    ("known", "chosen", "found"),
    [
        (STRIPE, None, STRIPE),
        (CHANNELS, None, CHANNELS),
        (STRIPE, "channel_major", CHANNELS),
        (CHANNELS, "stripe", STRIPE),
    ],
)
def test_a_new_generator_has_the_chosen_layout_or_that_of_the_encoders_file(known, chosen, found):
    assert _laid_out(known, GanWarmupSettings(part_layout=chosen), ()) == found


def test_weights_of_another_layout_than_the_chosen_one_are_refused(work):
    file = str(work.artifact("gan-warmup/main") / "generator.safetensors")
    assert _laid_out(STRIPE, GanWarmupSettings(part_layout="channel_major"), [file]) == CHANNELS
    with pytest.raises(GclError, match="part_layout channel_major, not stripe") as caught:
        _laid_out(STRIPE, GanWarmupSettings(part_layout="stripe"), [file])
    assert "part_layout=none" in caught.value.fix
