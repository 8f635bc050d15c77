"""Embeddings that lean on the gallery: what stays as it is, what is refused, what is said."""

import pytest
import torch
from torch.nn.functional import normalize

from gcl_cli.clustering.cameras import centre_per_camera
from gcl_cli.clustering.centralise import centralise
from gcl_cli.config import GallerySettings
from gcl_cli.errors import GclError
from gcl_cli.retrieval.whole_gallery import in_words, lean_on_gallery, require_cameras

ROWS = normalize(torch.randn(30, 6, generator=torch.Generator().manual_seed(4)))
CAMERAS = torch.arange(30) % 4


def leaning(**chosen: object) -> tuple[torch.Tensor, dict[str, object]]:
    before = ROWS.clone()
    query, gallery, said = lean_on_gallery(ROWS[:5], ROWS[5:], CAMERAS, GallerySettings(**chosen))
    assert torch.equal(ROWS, before) and len(query) == 5
    return torch.cat([query, gallery]), said


def test_nothing_changes_until_it_is_asked_for():
    rows, said = leaning(flip=True)
    assert torch.equal(rows, ROWS) and said == {} and in_words(GallerySettings()) == ""


def test_cameras_come_first_and_then_neighbours_of_queries_and_gallery_together(capsys):
    even = centre_per_camera(ROWS, CAMERAS)
    assert torch.equal(leaning(even_cameras=True)[0], even)
    rows, said = leaning(even_cameras=True, centralise=True)
    assert torch.equal(rows, centralise(even, CAMERAS).features)
    assert (
        said["centralise_k"] == centralise(even, CAMERAS).k
        and f"lists of {said['centralise_k']}" in capsys.readouterr().err
    )
    assert torch.equal(leaning(centralise=True, centralise_k=3)[0], centralise(ROWS, CAMERAS, k=3).features)


def test_unknown_cameras_are_refused_where_they_are_needed_alone():
    cameras = torch.tensor([1, -1, 2])
    require_cameras(cameras, ["a", "b", "c"], GallerySettings(centralise=True))
    with pytest.raises(GclError, match="camera of 1 of 3 pictures is unknown, such as b") as raised:
        require_cameras(cameras, ["a", "b", "c"], GallerySettings(even_cameras=True))
    assert "--even-cameras" in raised.value.fix
