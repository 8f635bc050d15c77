"""Whose file is it: pairs by names never mix two pictures up."""

from hypothesis import given
from hypothesis import strategies as st

from gcl_cli.artifacts.pairing import base, base_stem, one_each, owners, shortest, stem

KEYS = (str, stem, base, base_stem)
NAMES = st.lists(
    st.builds(lambda f, s, e: f"{f}{s}{e}", st.sampled_from(["", "a/", "b/"]), st.sampled_from("xyz"),
              st.sampled_from([".jpg", ".png"])), unique=True, max_size=8,
)  # fmt: skip


def test_the_whole_name_comes_first_and_less_of_it_where_that_is_unique():
    pictures = ["a/x.jpg", "a/x.png", "b/x.jpg", "b/y.jpg"]
    files = ["a/x.jpg", "b/x.png", "y.png", "x.jpg", "x.png", "z.jpg"]
    assert owners(files, pictures, KEYS) == {
        "a/x.jpg": ("a/x.jpg", 0), "b/x.png": ("b/x.jpg", 1), "y.png": ("b/y.jpg", 3), "x.png": ("a/x.png", 2),
    }  # fmt: skip


def test_a_file_of_another_picture_stands_in_for_none():
    """`a/x.jpg` is there for itself: it is no view of `b/x.jpg`, which has none."""
    assert one_each(["a/x.jpg"], ["a/x.jpg", "b/x.jpg"], KEYS) == {"a/x.jpg": "a/x.jpg"}


def test_of_several_files_the_one_with_most_of_the_name_is_taken_and_of_equals_none():
    assert one_each(["x.png", "x.jpg"], ["x.jpg"], KEYS) == {"x.jpg": "x.jpg"}
    assert one_each(["p/x.jpg", "q/x.jpg"], ["x.jpg"], KEYS) == {}


@given(files=NAMES, pictures=NAMES)
def test_every_pair_agrees_in_a_key_that_no_other_picture_has(files, pictures):
    for file, (picture, number) in owners(files, pictures, KEYS).items():
        key = KEYS[number]
        assert [one for one in pictures if key(one) == key(file)] == [picture]
        for earlier in KEYS[:number]:
            assert len([one for one in pictures if earlier(one) == earlier(file)]) != 1
    pairs = one_each(files, pictures, KEYS)
    assert len(set(pairs.values())) == len(pairs)
    assert all(pairs[picture] == picture for picture in set(files) & set(pictures))


@given(pictures=NAMES)
def test_shortened_names_are_all_different(pictures):
    assert len(set(shortest(pictures, (base_stem, base, stem)))) == len(pictures)
