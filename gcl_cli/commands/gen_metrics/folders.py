"""Two folders of pictures, whoever made them: real ones, and generated ones."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gcl_cli import console
from gcl_cli.artifacts.pairing import base, base_stem, owners, stem
from gcl_cli.commands.gen_metrics.inception import HEIGHT, WIDTH
from gcl_cli.commands.gen_metrics.measures import ENCODER, INCEPTION, diversity_figures, halves_apart, set_distances
from gcl_cli.config import Architecture, GenMetricsSettings
from gcl_cli.datasets import plain_folder
from gcl_cli.datasets.decoding import picture_sizes, read_pictures
from gcl_cli.datasets.grammars import read_names
from gcl_cli.errors import GclError
from gcl_cli.metrics.identity import identity_kept
from gcl_cli.metrics.structural_similarity import WINDOW, similarity

CHUNK = 1024  # pictures in memory at a time
TOGETHER = 64  # pairs compared at a time
FEWEST = 4  # of each kind: two halves of two


@dataclass(frozen=True)
class Folder:
    """Some pictures of a folder."""

    root: Path
    names: tuple[str, ...]
    threads: int

    def people(self) -> Tensor:
        """Who is shown, [N] int64, where all names say so in a known style; else -1."""
        _, found = read_names(self.names)
        people = [sample.person for sample in found if sample.person is not None]
        return torch.tensor(people) if len(people) == len(self.names) else torch.full((len(self.names),), -1)

    def read(self, rows: list[int], height: int, width: int) -> Tensor:
        """Pictures [R, 3, height, width] uint8."""
        names = [self.names[row] for row in rows]
        return read_pictures(self.root, names, height=height, width=width, threads=self.threads)

    def features(self, space: Callable[[Tensor], Tensor], height: int, width: int) -> Tensor:
        """Features [N, D] of all pictures, read at a size."""
        rows = list(range(len(self.names)))
        parts = (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
        return torch.cat([space(self.read(part, height, width)) for part in parts])


def open_folder(path: Path, option: str, *, settings: GenMetricsSettings, threads: int) -> Folder:
    """The pictures anywhere below `path`, at most `settings.pictures`; GclError where there are too few."""
    if not path.is_dir():
        raise GclError(f"{option} {path}: there is no such folder.", f"Name a folder of pictures: {option} DIR")
    found = plain_folder.pictures_below(path, drawings=True)
    names = found.names
    for remark in found.remarks:
        console.warn(remark)
    rng = torch.Generator().manual_seed(settings.seed)
    rows = torch.randperm(len(names), generator=rng)[: settings.pictures or len(names)].sort().values.tolist()
    if len(rows) < FEWEST:
        raise GclError(f"{option} {path}: found {len(rows)} pictures.", f"Give at least {FEWEST}.")
    return Folder(path, tuple(names[row] for row in rows), threads)


def compare_folders(
    real: Folder,
    generated: Folder,
    spaces: dict[str, Callable[[Tensor], Tensor]],
    architecture: Architecture | None,
    settings: GenMetricsSettings,
) -> dict[str, Any]:
    """FID, KID and Frechet distances; where names pair up also SSIM and identity kept.

    architecture: of the encoder behind the space "encoder".
    """
    sizes = {INCEPTION: (HEIGHT, WIDTH)}
    if architecture is not None:
        sizes[ENCODER] = (architecture.height, architecture.width)
    real_features, made = (
        {name: folder.features(space, *sizes[name]) for name, space in spaces.items()} for folder in (real, generated)
    )
    figures: dict[str, Any] = {"real_pictures": len(real.names), "generated_pictures": len(generated.names)}
    if spaces:
        figures |= set_distances(real_features, made, settings)
        figures["references"] = [halves_apart(real_features, settings)]
    pairs = paired(real.names, generated.names)
    figures["pairs"] = len(pairs)
    if "dssim" in settings.measures:
        figures |= _similarities(real, generated, pairs) | _varieties(real, generated, settings)
    if "identity" in settings.measures and ENCODER in spaces and pairs:
        sources, mine = torch.tensor(pairs).T
        kept = identity_kept(made[ENCODER][mine], real_features[ENCODER], real.people(), sources)
        figures["identity_kept"] = 100 * kept.share if kept.judged else None
        figures["cosine_to_source"] = kept.mean_cosine
    return figures


def _similarities(real: Folder, generated: Folder, pairs: list[tuple[int, int]]) -> dict[str, float | None]:
    """Mean SSIM in Lab of paired pictures at one size, and of those of equal size as they are."""
    if not pairs:
        return {"ssim_pairs_native": None, "ssim_pairs_at_256x128": None}
    columns = [list(column) for column in zip(*pairs, strict=True)]
    sizes = [
        picture_sizes(folder.root, [folder.names[row] for row in rows])
        for folder, rows in zip((real, generated), columns, strict=True)
    ]
    native = []
    for size in dict.fromkeys(one for one, other in zip(*sizes, strict=True) if one == other and min(one) >= WINDOW):
        native += _ssim_at(
            real, generated, [p for p, *s in zip(pairs, *sizes, strict=True) if s == [size, size]], *size
        )
    fixed = _ssim_at(real, generated, pairs, HEIGHT, WIDTH)
    return {
        "ssim_pairs_native": sum(native) / len(native) if native else None,
        "ssim_pairs_at_256x128": sum(fixed) / len(fixed),
    }


def _ssim_at(real: Folder, generated: Folder, pairs: list[tuple[int, int]], height: int, width: int) -> list[float]:
    """SSIM in Lab of every pair at one size."""
    found: list[float] = []
    for start in range(0, len(pairs), TOGETHER):
        sides = [list(rows) for rows in zip(*pairs[start : start + TOGETHER], strict=True)]
        one, other = (side.read(rows, height, width) for side, rows in zip((real, generated), sides, strict=True))
        found += similarity(one, other).tolist()
    return found


def _varieties(real: Folder, generated: Folder, settings: GenMetricsSettings) -> dict[str, float | None]:
    """DSSIM within a person at one size, of each folder whose names say who is shown."""
    figures: dict[str, float | None] = {}
    for name, folder in (("dssim_at_256x128", generated), ("dssim_real_at_256x128", real)):
        people = folder.people()
        if bool((people >= 0).any()):
            pictures = folder.read(list(range(len(folder.names))), HEIGHT, WIDTH)
            figures |= diversity_figures({name: pictures}, people, settings)
    return figures


def paired(real: tuple[str, ...], generated: tuple[str, ...]) -> list[tuple[int, int]]:
    """Rows (real, generated) of the same name; endings and folders may differ where the rest is unique."""
    row_of = {name: row for row, name in enumerate(real)}
    found = owners(generated, real, (str, stem, base, base_stem))
    return [(row_of[found[name][0]], row) for row, name in enumerate(generated) if name in found]
