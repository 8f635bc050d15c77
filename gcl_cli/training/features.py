"""Features of whole data sets."""

import torch
from torch import Tensor
from torch.nn import functional as F

from gcl_cli.machine.devices import arithmetic, sent
from gcl_cli.networks.identity_encoder import PARTS, IdentityEncoder
from gcl_cli.networks.normalisation import at_least_float32
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.team import ALONE, Team

ON_CPU, ON_CARD = 64, 256  # pictures at once: the maps of more leave a CPU's caches, and a fifth is lost


@torch.no_grad()
def embed(
    encoder: IdentityEncoder, pictures: Tensor, *, precision: str, batch: int | None = None, team: Team = ALONE,
    flip: bool = False,
) -> Tensor:  # fmt: skip
    """Unit embeddings [N, D] of pictures [N, 3, H, W] uint8, in evaluation mode; the mode is put back.

    batch: how many at once; None: what suits the device.
    flip: the mean of the unit embeddings of each picture and of its mirror image, at unit length again; team:
    the processes that share the work; each gets the features of all pictures.
    """
    device = next(encoder.parameters()).device
    was_training = encoder.training
    encoder.eval()
    rows = []
    for chunk in _chunks(team.own(pictures), batch, device):
        seen = normalise(sent(chunk, device))
        with arithmetic(precision, device):
            found = [encoder(picture).embedding for picture in ((seen, seen.flip(3)) if flip else (seen,))]
        unit = [F.normalize(at_least_float32(embedding), dim=1) for embedding in found]
        rows.append(F.normalize(unit[0] + unit[1], dim=1) if flip else unit[0])
    encoder.train(was_training)
    own = torch.cat(rows) if rows else torch.empty(0, encoder.embedding_size, device=device)
    return team.gather_uneven(own) if team.size > 1 else own


@torch.no_grad()
def part_codes(
    encoder: IdentityEncoder, pictures: Tensor, *, precision: str, batch: int | None = None, team: Team = ALONE
) -> Tensor:
    """Part codes [N, C, 4] of pictures [N, 3, H, W] uint8, in evaluation mode; the mode is put back."""
    device, was_training = next(encoder.parameters()).device, encoder.training
    encoder.eval()
    with arithmetic(precision, device):
        seen = [encoder(normalise(sent(chunk, device))).parts for chunk in _chunks(team.own(pictures), batch, device)]
    encoder.train(was_training)
    own = torch.cat(seen) if seen else torch.empty(0, encoder.part_size, PARTS, device=device)
    return team.gather_uneven(own) if team.size > 1 else own


def _chunks(pictures: Tensor, batch: int | None, device: torch.device) -> tuple[Tensor, ...]:
    return pictures.split(batch or (ON_CPU if device.type == "cpu" else ON_CARD))
