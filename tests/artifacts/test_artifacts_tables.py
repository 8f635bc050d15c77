"""Tables for spreadsheets come back as they were, and no text of theirs is a formula."""

import csv
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.artifacts.formats import read_labels, write_labels
from gcl_cli.artifacts.tables import FORMULA, read_table, write_table
from gcl_cli.commands.search.page import Found, Match, write_found
from gcl_cli.people.corrections import read_corrections

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NAMES = st.one_of(TEXT, st.builds("{}{}".format, st.sampled_from([*FORMULA, "'", "''", "'=", "\ufeff"]), TEXT))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(NAMES, st.integers(-1, 9)), max_size=5))
def test_any_text_comes_back_and_none_is_a_formula(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        write_table(path, ("name", "label"), rows)
        found = read_table(path)
        with path.open(newline="", encoding="utf-8-sig") as file:
            cells = [name for name, _ in list(csv.reader(file))[1:]]
    assert [(row["name"], int(row["label"])) for row in found] == [(name, label) for name, label in rows]
    assert not any(cell.startswith(tuple(FORMULA)) for cell in cells)


@pytest.mark.parametrize(("name", "mark"), [("a.jpg", b"name"), ("\u5f20\u4e09.jpg", b"\xef\xbb\xbfname")])
def test_letters_beyond_ascii_come_with_the_mark_that_spreadsheets_ask_for(tmp_path, name, mark):
    write_labels(tmp_path / "labels.csv", [name], np.array([0]))
    assert (tmp_path / "labels.csv").read_bytes().startswith(mark)
    assert read_labels(tmp_path / "labels.csv")[0] == [name]


def test_tables_of_before_are_read(tmp_path):
    (tmp_path / "labels.csv").write_text("name,label\r\n'quoted'.jpg,3\r\n=1.jpg,-1\r\n")
    names, labels = read_labels(tmp_path / "labels.csv")
    assert names == ["'quoted'.jpg", "=1.jpg"] and labels.tolist() == [3, -1]


def test_a_search_lists_no_formula(tmp_path):
    write_found(
        tmp_path, "search", [Found("@query.jpg", None, (Match(1, "=1+2.jpg", 0.5), Match(2, "a=b.jpg", -0.1)))], {}
    )
    text = (tmp_path / "search.csv").read_text(encoding="utf-8")
    assert text == "query,rank,picture,similarity\n'@query.jpg,1,'=1+2.jpg,0.5\n'@query.jpg,2,a=b.jpg,-0.1\n"


@pytest.mark.parametrize("typed", ["'=a.jpg", "=a.jpg"])
def test_corrections_take_names_as_labels_csv_has_them_and_as_they_are(tmp_path, typed):
    (tmp_path / "wrong.csv").write_text(f"kind,first,second\nmust-link,{typed},b.jpg\n")
    assert read_corrections(str(tmp_path / "wrong.csv"), ["b.jpg", "=a.jpg"]).must.tolist() == [[1, 0]]
