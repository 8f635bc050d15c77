"""What is measured: retrieval, generated views."""

from typing import Literal

from pydantic import model_validator

from gcl_cli.config.pictures import TURNED_ANGLES
from gcl_cli.config.setting import Settings, setting


class GallerySettings(Settings):
    """Embeddings that use more than the picture: its mirror image, its camera, and the whole gallery."""

    flip: bool = setting(False, "average each picture's embedding with that of its mirror image", option=True)
    even_cameras: bool = setting(
        False, "remove each camera's mean from the embeddings of its pictures; needs known cameras", option=True
    )
    centralise: bool = setting(
        False, "add to each embedding those of its mutual nearest neighbours, of other cameras where known", option=True
    )
    centralise_k: int | None = setting(
        None, "with --centralise: neighbours in a list; none: chosen by the embeddings, without labels", ge=1
    )


class EvaluateSettings(GallerySettings):
    """Retrieval: CMC, mAP, mINP."""

    average_precision: Literal["open-reid", "market"] = setting("open-reid", "convention of the average precision")
    epoch: Literal["last", "selected"] = setting(
        "last", "encoder of the last epoch, or of the one that gcl joint selected without test labels", option=True
    )
    save_embeddings: bool = setting(False, "write the embeddings of query and gallery")
    same_camera: bool = setting(
        False, "count matches of the query's own camera, too: for people whom one camera saw", option=True
    )
    temporal: bool = setting(
        False, "rank by looks and frame numbers together (JVTC+); needs training pictures", option=True
    )
    temporal_rho: float = setting(
        1.6e-3, "with --temporal: share of the closest training pairs that sets the clusters' radius", gt=0, le=1
    )
    rerank: bool = setting(False, "k-reciprocal re-ranking of queries and gallery together", option=True)
    rerank_k1: int = setting(20, "with --rerank: length of the neighbour lists", ge=1)
    rerank_k2: int = setting(6, "with --rerank: pictures that lend each other their neighbours", ge=1)
    rerank_lambda: float = setting(0.3, "with --rerank: weight of the original distance", ge=0, le=1)
    views: bool = setting(
        False, "mix each picture's embedding with those of drawn views; the plain figures stand beside", option=True
    )
    angles: tuple[int, ...] = setting(TURNED_ANGLES, "with --views: turns to draw")
    view_weight: float | None = setting(
        None, "with --views: how much they count; none: chosen without labels, from 0 to .5", ge=0, le=1
    )
    expansion: int = setting(0, "gallery pictures that a query takes into itself (query expansion); 0: off", ge=0)
    expansion_alpha: float = setting(3.0, "with expansion: power of their cosines; 0: a plain average", ge=0)
    camera_pairs: bool = setting(True, "tell mAP and rank-1 of every pair of cameras")
    bootstrap: int = setting(1000, "resamples of the queries for the 95 % intervals; 0: no intervals", ge=0)
    seed: int = setting(7, "seed of the resamples", ge=0)
    ranked: int = setting(5, "best, median and worst queries to draw in ranked.png, of each; 0: none", ge=0)
    memory: float | None = setting(None, "GB of memory to use; none: what is free", gt=0)

    @model_validator(mode="after")
    def _one_distance(self) -> "EvaluateSettings":
        if self.temporal and self.rerank:
            raise ValueError("--temporal and --rerank each replace the distance: choose one")
        if self.views and self.flip:
            raise ValueError("--views and --flip each mix the embedding with those of other pictures: choose one")
        return self


class GenMetricsSettings(Settings):
    """How good generated views are."""

    measures: tuple[Literal["fid", "kid", "encoder", "dssim", "identity", "pose", "real_side"], ...] = setting(
        ("fid", "kid", "encoder", "dssim", "identity", "pose", "real_side"),
        "FID; KID; Frechet distance in the encoder's space; (1 - SSIM) / 2 within a person; identity kept; pose "
        "against the mesh; real photographs from that side (the last two of the default only where they are known)",
        option=True,
    )
    angles: tuple[int, ...] = setting(TURNED_ANGLES, "turns to measure, each alone and mixed", option=True)
    pictures: int | None = setting(None, "training pictures to use; none: all", option=True, ge=8)
    views: Literal["generated", "painted"] = setting(
        "generated", "what is measured: what the generator draws, or what `gcl render` painted"
    )
    pairs: int = setting(10, "pairs a person for DSSIM", ge=1)
    repeats: int = setting(5, "sweeps over the people for DSSIM", ge=1)
    kid_subsets: int = setting(50, "random subsets for KID", ge=2)
    kid_subset_size: int = setting(1000, "pictures of each kind in one, at most half of them", ge=2)
    pose_pictures: int | None = setting(500, "pictures whose pose is estimated anew, an angle; none: all", ge=1)
    front_frame: int | None = setting(
        None, "frame number that means seen from the front, where frames are orientations by 45 degrees (PKU-Reid: 7)"
    )
    seed: int = setting(7, "seed of angles and pairs", option=True, ge=0)
