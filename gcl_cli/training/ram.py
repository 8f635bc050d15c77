"""How much memory a training will need, said before it begins."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.optim import SGD

from gcl_cli.machine.devices import arithmetic
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.training.gan import ViewGan, Views, frozen_statistics
from gcl_cli.training.state import TrainingState

SAMPLES = (2, 4)  # batch sizes that are tried; activations grow in proportion

Result = TypeVar("Result")


class MemoryEstimate(NamedTuple):
    """Bytes that a training holds at its peak, beside the libraries themselves (some 0.5 GB, more on a GPU)."""

    networks: int  # weights, their gradients and what the optimizers remember
    activations: int  # what a step keeps for its gradients
    data: int  # pictures, what is kept of their people, and memory bank

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


def gan_memory(gan: ViewGan, pictures: Tensor, *, beside: int = 0) -> MemoryEstimate:
    """For the generator's warm-up or joint training on `pictures` [N, 3, H, W] uint8.

    beside: bytes that are kept of their people. Tries the forward passes of a step on two and on four blank pictures;
    neither weights, running statistics nor any random number are touched.
    """
    settings, size, networks = gan.settings, (pictures.shape[2], pictures.shape[3]), list(gan.state.networks.values())

    def kept(batch: int) -> int:
        with frozen_statistics(gan.identity_encoder, True):
            (real, views), of_views = kept_for_gradients(lambda: gan.rehearsal(batch, size), networks)
            of_discriminator = kept_for_gradients(lambda: gan.discriminator_loss(real, views), networks)[1]
            of_generator = kept_for_gradients(lambda: gan.generator_loss(real, views), networks)[1]
            recomputed = _one_pass(gan, views) if settings.checkpoint_activations else 0
        return of_views + max(of_discriminator, of_generator) + recomputed

    held = settings.batch_size // settings.batchnorm_groups  # the parts of a batch come one after another
    bank = 4 * len(pictures) * gan.identity_encoder.embedding_size if "identity" in gan.state.optimizers else 0
    return MemoryEstimate(_networks(gan.state), _extrapolated(kept, held), pictures.nbytes + beside + bank)


def encoder_memory(
    state: TrainingState, pictures: Tensor, *, batch_size: int, precision: str, beside: int = 0
) -> MemoryEstimate:
    """For a warm-up of the identity encoder on `pictures` [N, 3, H, W] uint8, likewise; its losses count nothing."""
    encoder = cast(IdentityEncoder, state.networks["identity_encoder"])
    device = next(encoder.parameters()).device

    def kept(batch: int) -> int:
        blank = torch.zeros(batch, *pictures.shape[1:], device=device)
        with frozen_statistics(encoder, True), arithmetic(precision, device):
            return kept_for_gradients(lambda: encoder(blank), [encoder])[1]

    bank = 4 * len(pictures) * encoder.embedding_size
    return MemoryEstimate(_networks(state), _extrapolated(kept, batch_size), pictures.nbytes + beside + bank)


def kept_for_gradients(compute: Callable[[], Result], networks: Iterable[nn.Module]) -> tuple[Result, int]:
    """What `compute` returns, and the bytes that its graph holds beside the parameters of `networks`.

    Tensors that share their memory count once.
    """
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        result = compute()
    for network in networks:
        for parameter in network.parameters():
            storages.pop(parameter.untyped_storage().data_ptr(), None)
    return result, sum(storages.values())


def _one_pass(gan: ViewGan, views: Views) -> int:
    """Bytes of the larger of a pass of the encoder and a decode, which is what is computed anew at a time."""
    networks = list(gan.state.networks.values())
    with arithmetic(gan.settings.precision, gan.device):
        encoding = kept_for_gradients(lambda: gan.identity_encoder(views.reconstructed), networks)[1]
        decoding = kept_for_gradients(gan.decode_of(views), networks)[1]
    return max(encoding, decoding)


def _extrapolated(kept: Callable[[int], int], batch: int) -> int:
    """kept(batch), from two smaller batches: it is a straight line (some of what is kept does not grow)."""
    few, more = SAMPLES
    slope = (kept(more) - kept(few)) / (more - few)
    return round(kept(few) + slope * (batch - few))


def _networks(state: TrainingState) -> int:
    """Bytes of all weights and, for those that some optimizer trains, of gradients and moments."""
    weights = sum(p.nbytes for network in state.networks.values() for p in network.parameters())
    trained = 0
    for optimizer in state.optimizers.values():
        copies = 2 if isinstance(optimizer, SGD) else 3  # the gradient and one moment, or Adam's two
        trained += sum(copies * p.nbytes for group in optimizer.param_groups for p in group["params"])
    return weights + trained
