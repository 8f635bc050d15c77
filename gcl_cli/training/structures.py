"""Structure pictures as the networks see them, and which side is drawn."""

from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from gcl_cli.errors import GclError
from gcl_cli.machine.devices import sent
from gcl_cli.records import Sided, StructurePictures
from gcl_cli.training.state import TrainingState
from gcl_cli.training.team import Team

OWN = 0  # index of the angle 0


class ReadAhead:
    """Structure pictures whose next ones are read while a card still computes: they are in the store's memory then.

    What is asked for comes out as without it, expected or not.
    """

    def __init__(self, structures: StructurePictures) -> None:
        self.angles, self._structures = structures.angles, structures
        self._thread = ThreadPoolExecutor(1, "views")
        self._reading: Future[None] | None = None

    def __call__(self, rows: Tensor, angle_index: Tensor) -> Tensor:
        """As `structures`; what was expected is read to the end first."""
        if self._reading is not None:
            self._reading.result()
            self._reading = None
        return self._structures(rows, angle_index)

    def expect(self, rows: Tensor, angle_index: Tensor) -> None:
        """The pictures `rows` [B] will be asked for next, as photographed and turned to `angle_index` [B]."""

        def read() -> None:
            self._structures(rows, torch.full_like(rows, OWN))
            self._structures(rows, angle_index)

        self._reading = self._thread.submit(read)


def read_ahead(structures: StructurePictures, device: torch.device) -> StructurePictures:
    """On a card, where the host has time for it: `structures` that can be told what to expect."""
    return ReadAhead(structures) if device.type == "cuda" else structures


def expect_next(structures: Sided, state: TrainingState, turns: Tensor, team: Team) -> None:
    """Let the views of the next batch be read: its step begins by drawing angles, and this one draws no more."""
    following = state.batches[state.step + 1 :]
    if isinstance(structures, ReadAhead) and len(following):
        peeking, rows = torch.Generator(), following[0]
        peeking.set_state(state.rng.get_state())
        structures.expect(team.own(rows), team.own(draw_angles(turns, len(rows), peeking)))


def to_signal(pictures: Tensor, device: torch.device) -> Tensor:
    """Grey pictures [B, 1, H, W] uint8 as signals in [-1, 1]: white background = 1 (section 3.1)."""
    return sent(pictures, device).float() / 127.5 - 1.0


def angle_indices(structures: Sided, angles: tuple[int, ...]) -> Tensor:
    """Where `angles` (degrees) stand among the rendered ones; GclError when one was not rendered."""
    missing = [angle for angle in angles if angle not in structures.angles]
    if missing:
        raise GclError(
            f"The views have no angle {missing[0]}; they have {', '.join(map(str, structures.angles))}.",
            "Render it: gcl render --angles 0,45,90,135,180,225,270,315 --restart",
        )
    return torch.tensor([structures.angles.index(angle) for angle in angles])


def draw_angles(choices: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` angle indices, each drawn uniformly from `choices` [A]."""
    # Paper: a turn of 45 to 315 degrees (the published code never draws 315). Here: all seven turns.
    return choices[torch.randint(len(choices), (count,), generator=generator)]


def own_and_new(
    structures: StructurePictures, rows: Tensor, angle_index: Tensor, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Signals [B, 1, H, W] of `rows` as photographed, and turned to `angle_index` [B]."""
    own = structures(rows, torch.full_like(rows, OWN))
    return to_signal(own, device), to_signal(structures(rows, angle_index), device)
