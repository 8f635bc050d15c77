"""`gcl verify` and `gcl search --unknown`, with an untrained encoder and clusters of its features."""

import json
from pathlib import Path

import numpy as np
import pytest
from using_artifacts import make_encoder, make_people

from gcl_cli.api import cluster, search, verify
from gcl_cli.commands.verify import _in_words
from gcl_cli.errors import GclError
from gcl_cli.retrieval.likeness import Highest

CLUSTERING = {"k1": 4, "k2": 2, "min_samples": 2, "radius": 0.9}


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    """A work folder with an encoder, and clusters of eight pictures of two people."""
    root = tmp_path_factory.mktemp("verify")
    make_people(root / "people")
    make_encoder(root / "work", seed=1)
    from gcl_cli.people.data import open_data
    from gcl_cli.session import Session

    open_data(Session(work=str(root / "work")), str(root / "people"))
    radius = CLUSTERING["radius"]
    rest = {name: value for name, value in CLUSTERING.items() if name != "radius"}
    cluster(work=root / "work", device="cpu", threads=1, radius=radius, set=rest)
    return root


def test_a_picture_is_the_same_person_as_itself_by_row_by_name_and_by_file(people):
    names = sorted((people / "people/bounding_box_train").iterdir())
    name = f"bounding_box_train/{names[0].name}"
    found = [verify("1", place, work=people / "work", device="cpu") for place in ("1", name, str(names[0]))]
    assert {one["similarity"] for one in found} == {1.0}
    assert len({one["same_person"] for one in found}) == 1 and found[0]["same_person"] >= 0.5
    assert found[0]["learned_from"] == "cluster/main" and found[0]["encoder"] == "warmup/main"
    assert (
        0 <= found[0]["false_accepts"]["from"] <= found[0]["false_accepts"]["found"] <= found[0]["false_accepts"]["to"]
    )


def test_fewer_such_pairs_make_it_less_likely(people):
    even, seldom = (verify("1", "2", work=people / "work", device="cpu", prior=p)["same_person"] for p in (0.5, 0.05))
    assert seldom < even


@pytest.mark.parametrize(
    ("which", "said", "fix"),
    [
        ("0", "There is no row 0: labels.csv has 1 to 8.", "Give one of these, or a picture."),
        ("99", "There is no row 99", "Give one of these"),
        ("nobody.jpg", "There is no picture nobody.jpg.", "Or give a row of labels.csv, such as 1."),
    ],
)
def test_a_picture_that_there_is_not_is_told(people, which, said, fix):
    with pytest.raises(GclError) as error:
        verify("1", which, work=people / "work", device="cpu")
    assert said in error.value.problem and fix in error.value.fix


def test_a_search_says_how_likely_each_match_is_and_where_nobody_is(people, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train = people / "people/bounding_box_train"
    one = str(sorted(train.iterdir())[0])
    found = search(train, one, unknown=True, work=people / "work", device="cpu", top=3)
    assert [row["rank"] for row in found["matches"]] == [1, 2, 3]
    assert all(0 < row["same_person"] < 1 for row in found["matches"])
    (answer,) = found["answers"]
    above = found["matches"][0]["similarity"] >= answer["threshold"]
    assert answer["answer"] == (found["matches"][0]["picture"] if above else "nobody in this gallery")
    assert "same_person" in (tmp_path / "search/search.csv").read_text().splitlines()[0]
    page = (tmp_path / "search/search.html").read_text()
    assert (": nobody in this gallery" in page) is not above


def test_a_plain_search_says_from_which_similarity_on_two_are_likelier_one_person(people, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train = people / "people/bounding_box_train"
    one = str(sorted(train.iterdir())[0])
    said = search(train, one, work=people / "work", device="cpu", top=1)["similarity"]
    from_ = float(said.partition("from ")[2].split()[0])
    known = json.loads((people / "work/cluster/main/likeness.json").read_text())["curves"]["any"]
    assert from_ == pytest.approx(np.interp(0.5, known["y"], known["x"]), abs=6e-4) and "cluster/main" in said
    mirrored = search(train, one, flip=True, work=people / "work", device="cpu")
    assert "does not hold with --flip" in mirrored["similarity"]


def test_what_plain_similarities_mean_is_not_said_of_others(people):
    with pytest.raises(GclError, match="--unknown knows what plain similarities mean, and --flip changes them"):
        search(people / "people", "1.jpg", unknown=True, flip=True, work=people / "work")


def test_without_clusters_it_is_said_how_to_make_them(tmp_path):
    make_people(tmp_path / "people")
    from gcl_cli.people.data import open_data
    from gcl_cli.session import Session

    open_data(Session(work=str(tmp_path / "work")), str(tmp_path / "people"))
    with pytest.raises(GclError) as error:
        verify("1", "2", work=tmp_path / "work")
    assert "gcl cluster" in error.value.fix


@pytest.mark.parametrize(
    ("cosine", "strangers", "chance", "said"),
    [
        (0.9, 500, 0.9, "the same person"),
        (0.9, 500, 0.4, "different people"),
        (0.1, 500, 0.6, "perhaps the same person: strangers are as alike too often"),
        (0.9, 3, 0.9, "perhaps the same person: 3 pairs of strangers are too few to tell 1.0% of them"),
    ],
)
def test_the_answer_promises_no_more_than_is_known(cosine, strangers, chance, said):
    passed = Highest((0.5,), strangers).threshold(0.01)
    assert _in_words(cosine, passed, chance, 0.01) == said
