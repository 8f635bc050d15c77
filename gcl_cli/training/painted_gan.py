"""L_gan of a painted generator: its views, whose texture is partly hidden where it would be a copy."""

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli.config import GanSettings
from gcl_cli.machine.devices import arithmetic, sent
from gcl_cli.networks.identity_encoder import PARTS
from gcl_cli.networks.painted_generator import CHANNELS, GREY, structures
from gcl_cli.networks.painter import Painter
from gcl_cli.training.augmentation import flip, in_colour, normalise
from gcl_cli.training.backdrops import without_people
from gcl_cli.training.drawn_views import PaintedStructures
from gcl_cli.training.gan import ViewGan, Views, frozen_statistics
from gcl_cli.training.gcl_plus import Mixup
from gcl_cli.training.painting import mirrored, paint, turned_back
from gcl_cli.training.state import TrainingState
from gcl_cli.training.structures import OWN
from gcl_cli.training.team import Team

BLOCKS = (8, 4)  # of a picture, down and across, each of which is hidden or not
SHOWN = 0.5  # largest share of them that is not


class PaintedPart(NamedTuple):
    """Pictures that views are painted from."""

    seen: Tensor  # [b, 3, H, W] what the encoder sees
    target: Tensor  # [b, 3, H, W] what the generator must paint
    own: Tensor  # [b, 7, H, W] structures as photographed, most of their texture hidden
    new: Tensor  # [b, 7, H, W] turned
    back: Tensor  # [b, 4, h, w] flows by which what is turned is painted back onto the own side
    turn: Tensor  # [b] degrees
    covered: Tensor  # [b, 1, H, W] in [0, 1], where the body is


class PaintedGan(ViewGan):
    """The same game with a painter in place of the structure encoder and the generator.

    The own side is painted from part codes alone and a remainder of the texture, so that the codes must say what people
    wear: L_gan teaches the identity encoder through them. In the cycle what the turned view does not show is hidden.
    """

    def __init__(self, state: TrainingState, settings: GanSettings) -> None:
        super().__init__(state, settings)
        self.painter = cast(Painter, state.networks["generator"])

    # Paper: the cycle draws x''_ori from the code of x'_new and the own structure. Here: with a painted generator the
    # own structure has the texture of x'_new, where that shows it: x'_new is painted back.
    def views_of_part(self, part: PaintedPart, mixup: Mixup | None, *, freeze_statistics: bool) -> Views:  # type: ignore[override]
        """As `ViewGan.views`, each person before what is behind them in their photograph."""
        with arithmetic(self.settings.precision, self.device):
            behind = without_people(part.target, part.covered * 255)
            front = torch.zeros_like(part.turn)
            code = self.through(self.identity_encoder, part.seen)
            looks = self.painter.looks(in_colour(part.target), part.covered, code.parts)
            reconstructed, _ = self._drawn(part.own, front, looks[:, :, :PARTS], behind)
            novel, alpha = self._drawn(part.new, part.turn, looks, behind)
            with frozen_statistics(self.identity_encoder, freeze_statistics):
                code_reconstructed = self.through(self.identity_encoder, reconstructed)
                code_novel = self.through(self.identity_encoder, novel)
                back = self.painter.looks(in_colour(novel), alpha, code_novel.parts)
                cycled, _ = self._drawn(painted_back(part, novel), front, back[:, :, :PARTS], behind)
                code_cycled = self.through(self.identity_encoder, cycled)
                views = Views(code, reconstructed, novel, cycled, code_reconstructed, code_novel, code_cycled)
                if mixup is not None:
                    mixed, _ = self._drawn(part.own, front, mixup.of(looks[:, :, :PARTS]), behind)
                    views = views._replace(mixed=mixed, code_mixed=self.through(self.identity_encoder, mixed))
        return views

    def _drawn(self, structure: Tensor, turn: Tensor, looks: Tensor, behind: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures [b, 3, H, W] of people before `behind`, and what the people cover of them [b, 1, H, W]."""
        drawn = self.through(self.painter, structure, turn, looks)
        alpha = drawn[:, 3:]
        return normalise(drawn[:, :3]) * alpha + behind * (1 - alpha), alpha

    def rehearsal(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, Views]:
        """As `ViewGan.rehearsal`."""
        real, covered = (torch.zeros(batch, channels, *size, device=self.device) for channels in (3, 1))
        blank = torch.zeros(batch, CHANNELS, *size, device=self.device)
        flows = torch.zeros(batch, 4, *size, device=self.device, dtype=torch.int16)
        part = PaintedPart(real, real, blank, blank, flows, torch.zeros(batch, device=self.device), covered)
        return real, self.views_of_part(part, None, freeze_statistics=True)

    def decode_of(self, views: Views) -> Callable[[], Tensor]:
        """As `ViewGan.decode_of`."""
        structure = torch.zeros_like(views.novel[:, :1]).expand(-1, CHANNELS, -1, -1)
        looks = self.painter.looks(views.novel, structure[:, :1], views.code.parts)
        return lambda: self.painter(structure, structure[:, 0, 0, 0], looks)


def painted_part(
    told: PaintedStructures, rows: Tensor, turns: Tensor, seen: Tensor, target: Tensor, flipped: Tensor,
    *, rng: torch.Generator, team: Team,
) -> PaintedPart:  # fmt: skip
    """This process's share of the pictures `rows` [B], turned by the angles of index `turns` [B].

    seen, target, flipped: of the share alone; all processes draw what is hidden of all.
    """
    device, hidden = target.device, team.own(draw_shown(len(rows), rng))
    rows, turns = team.own(rows), team.own(turns)
    front = torch.full_like(rows, OWN)
    own_flow, new_flow = (mirrored(sent(told.flows(rows, side), device), flipped) for side in (front, turns))
    own_grey, new_grey = (flip(sent(told.bodies(rows, side), device), flipped) for side in (front, turns))
    size = (own_grey.shape[2], own_grey.shape[3])
    own, new = (paint(in_colour(target), flow, size) for flow in (own_flow, new_flow))
    shown = F.interpolate(sent(hidden, device), size=size)
    degrees = sent(torch.tensor(told.angles)[turns].float(), device)
    return PaintedPart(
        seen, target, structures(own_grey, own * shown, own_grey), structures(new_grey, new, own_grey),
        turned_back(own_flow, new_flow), torch.where(flipped, 360 - degrees, degrees), own[:, 3:4],
    )  # fmt: skip


def painted_back(part: PaintedPart, novel: Tensor) -> Tensor:
    """The own structure [b, 7, H, W] with the texture of the turned pictures [b, 3, H, W], where these show it."""
    own = part.own[:, GREY]
    return structures(own, paint(in_colour(novel), part.back, (own.shape[2], own.shape[3])), own)


def draw_shown(count: int, rng: torch.Generator) -> Tensor:
    """Which blocks of `count` pictures keep their texture: [count, 1, 8, 4], 0 or 1; of each another share."""
    share = SHOWN * torch.rand(count, 1, 1, 1, generator=rng)
    return (torch.rand(count, 1, *BLOCKS, generator=rng) < share).float()


def view_gan(state: TrainingState, settings: GanSettings) -> ViewGan:
    """The game of the networks of a state: of the paper's generator, or of a painter."""
    return PaintedGan(state, settings) if isinstance(state.networks["generator"], Painter) else ViewGan(state, settings)
