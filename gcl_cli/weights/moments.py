"""The moments of Adam beside the generator's weights, for the stage that trains it on."""

from collections.abc import Mapping

from safetensors.torch import save_file
from torch import Tensor, nn

from gcl_cli import console
from gcl_cli.artifacts.manifest import Artifact
from gcl_cli.artifacts.run import Run
from gcl_cli.artifacts.weights import read_weights
from gcl_cli.errors import GclError
from gcl_cli.networks.foreign_names import refuse_non_finite
from gcl_cli.training.moments import named_moments, resume_moments
from gcl_cli.training.state import TrainingState

FILE = "adam_moments.safetensors"
GAN_SIDES = ("generator", "discriminator")  # optimizers that the generator's warm-up and joint training share


def save_moments(job: Run, state: TrainingState) -> None:
    """Write `adam_moments.safetensors`: NETWORK.PARAMETER.KIND -> tensor; no file where no step was taken."""
    optimizers = {side: state.optimizers[side] for side in GAN_SIDES}
    moments = named_moments(state.networks, optimizers)
    if moments:
        save_file({name: value.detach().cpu().contiguous() for name, value in moments.items()}, job.folder / FILE)


def go_on_with_moments(gan: Artifact, state: TrainingState) -> None:
    """Give the generator's side and the discriminator of `state` the moments that `gan` ended with.

    Says so where it has none: an earlier version made it, or no step was taken. GclError where they do not fit.
    """
    path = gan.folder / FILE
    if not path.exists():
        console.say(
            f"{gan.reference} keeps no moments of Adam (an earlier version made it, or it took no step): "
            "generator and discriminator begin with new ones."
        )
        return
    moments = read_weights(path)
    refuse_non_finite(moments)
    _require_fit(moments, state.networks, path.name, gan.reference)
    for side in GAN_SIDES:
        resume_moments(state.networks, state.optimizers[side], moments)


def _require_fit(moments: Mapping[str, Tensor], networks: Mapping[str, nn.Module], file: str, reference: str) -> None:
    wanted = {
        f"{network}.{name}.{kind}": () if kind == "step" else tuple(parameter.shape)
        for network in networks
        for name, parameter in networks[network].named_parameters()
        for kind in ("exp_avg", "exp_avg_sq", "step")
    }
    strange = [name for name, value in moments.items() if wanted.get(name) != tuple(value.shape)]
    if strange:
        raise GclError(
            f"{file} of {reference} does not fit its networks: {min(strange)} is unknown or of another shape.",
            "Make it again: gcl gan-warmup --restart",
        )
