"""Novel views of steps without generation: people painted or drawn from other sides, before other backdrops."""

import torch
from torch import Tensor

from gcl_cli.config import JointSettings
from gcl_cli.errors import GclError
from gcl_cli.records import PaintedViews, TrainingSet
from gcl_cli.training.backdrops import TOGETHER, CutOuts, composed, without_people
from gcl_cli.training.structures import OWN, angle_indices, draw_angles


class NovelViews(CutOuts):
    """Composes pictures of people from painted views: what mesh and photograph show, at no network's cost.

    Its side changes as a generated view's does; what is behind the person changes as well, since a camera's walls and
    pavements are what an encoder must not know people by.
    """

    # Paper: novel views come from the generator, in every step. Here: steps without generation may have painted ones
    # (contrast_views = painted), or drawn ones (generated), before the backdrops of other pictures.

    def __init__(self, data: TrainingSet, painted: PaintedViews, settings: JointSettings) -> None:
        super().__init__(data, painted)
        self.settings, self.turns = settings, angle_indices(painted, settings.angles)

    def draw(self, rows: Tensor, rng: torch.Generator) -> Tensor:
        """Pictures [B, 3, H, W] uint8 of the people in `rows` [B]; where the mesh is no good, the photograph itself."""
        s = self.settings
        kept = torch.rand(len(rows), generator=rng) < s.own_view_share
        people = self.people(rows, kept, rng)
        drawn = self.others(len(rows), rng)
        behind = drawn if s.backdrop == "other" else rows
        photographs = self.data.pictures[rows]
        people = torch.cat([torch.where(kept[:, None, None, None], photographs, people[:, :3]), people[:, 3:]], dim=1)
        return self.before(people, behind, rows)

    def people(self, rows: Tensor, kept: Tensor, rng: torch.Generator) -> Tensor:
        """Cut-outs [B, 4, H, W] uint8 of `rows` [B]: from their own side where `kept` [B], from a new one elsewhere."""
        return self.painted(rows, torch.where(kept, OWN, draw_angles(self.turns, len(rows), rng)))


class BankedViews(NovelViews):
    """The same from views that a network draws: of everybody one new side an epoch, kept until the next one.

    Memory stays the same: four bytes a pixel of the pictures that the epoch's batches name, beside what all cover.
    """

    def __init__(self, data: TrainingSet, painted: PaintedViews, settings: JointSettings) -> None:
        super().__init__(data, painted, settings)
        self._place = torch.empty(0, dtype=torch.int64)  # [N] where each picture's view stands in the bank
        self._turned = torch.empty(0, dtype=torch.uint8)

    @property
    def nbytes(self) -> int:
        """Bytes that are kept, once all is: beside what everybody covers, colour and opacity of a view of everybody."""
        return 5 * super().nbytes

    def draw_sides(self, rng: torch.Generator) -> Tensor:
        """From which side each picture's person is drawn in this epoch: indices of angles [N]."""
        return draw_angles(self.turns, len(self.data), rng)

    def renew(self, rows: Tensor, sides: Tensor) -> None:
        """Draw the people of `rows` (any shape, repeated or not), each from its own of `sides` [N]."""
        rows = rows.cpu().unique()
        self._place = torch.full((len(self.data),), -1).scatter(0, rows, torch.arange(len(rows)))
        self._turned = self.painted(rows, sides.cpu()[rows])

    def people(self, rows: Tensor, kept: Tensor, rng: torch.Generator) -> Tensor:
        """As above, from the epoch's side."""
        own = torch.cat([self.data.pictures[rows], self.covered[rows]], dim=1)
        return torch.where(kept[:, None, None, None], own, self._turned[self._place[rows]])


def require_novel_views(settings: JointSettings, *, there: bool) -> None:
    """GclError where losses of novel views are wanted and nothing makes any: no generator, and no painted views.

    there: whether it is known how to paint people. What `contrast_views` is depends on the preset, so that settings
    alone cannot tell.
    """
    orphans = [name for name in ("vi_syn", "vi_mem") if name in settings.losses]
    if orphans and "gan" not in settings.losses and settings.contrast_views == "none":
        raise GclError(
            f"{' and '.join(orphans)} of --losses need novel views, and nothing makes any.",
            "Add gan to --losses, or --set contrast_views=painted.",
        )
    if wants_novel(settings) and not there:
        raise GclError(
            f"The steps without generation want {settings.contrast_views} views, and the rendered ones are grey alone.",
            "Go without: --set contrast_views=none; or paint them, from meshes: gcl render --restart",
        )


def painted_people(pictures: Tensor, painted: PaintedViews, rows: Tensor, side: Tensor) -> Tensor:
    """The people `rows` [M] of `pictures` [N, 3, H, W] painted from `side` [M], before their own backdrops: uint8."""
    made = []
    for some, turned in zip(rows.split(TOGETHER), side.split(TOGETHER), strict=True):
        opacity = painted(some, torch.full_like(some, OWN))[:, 3:]
        made.append(composed(painted(some, turned), without_people(pictures[some], opacity)))
    return torch.cat(made)


def wants_novel(settings: JointSettings) -> bool:
    """Whether some step and some loss have use for the views of the setting `contrast_views`."""
    without_generation = settings.contrast_steps > 0 or "gan" not in settings.losses
    of_novel = {"vi_syn", "vi_mem"} & set(settings.losses)
    return settings.contrast_views != "none" and bool(of_novel) and without_generation


def novel_views(data: TrainingSet, settings: JointSettings) -> NovelViews | None:
    """What draws the views of the setting `contrast_views`; None where nothing has use for any.

    Raises GclError where they are wanted and were not painted.
    """
    require_novel_views(settings, there=data.painted is not None)
    if data.painted is None or not wants_novel(settings):
        return None
    kind = BankedViews if settings.contrast_views == "generated" else NovelViews
    return kind(data, data.painted, settings)
