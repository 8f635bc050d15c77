import csv
import json

import numpy as np
import pytest
from PIL import Image

from gcl_cli.artifacts.formats import write_labels
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.sheets import FRAME, GAP, LINE
from gcl_cli.clustering.cohesion import Cohesion
from gcl_cli.commands.cluster import fitting
from gcl_cli.commands.cluster.earlier import agreement, previous_labels
from gcl_cli.commands.cluster.sheet import draw_clusters
from gcl_cli.errors import GclError
from gcl_cli.people.corrections import corrections_digest, read_corrections
from gcl_cli.records import Sample

NAMES = [f"{letter}.jpg" for letter in "abcdef"]


def written(tmp_path, *rows: str, header: str = "kind,first,second") -> str:
    path = tmp_path / "corrections.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return str(path)


def test_corrections_are_read_as_rows_of_the_training_set(tmp_path):
    path = written(tmp_path, "must-link,a.jpg,c.jpg", "cannot-link, b.jpg ,f.jpg", "must-link,c.jpg,d.jpg")
    found = read_corrections(path, NAMES)
    assert found.must.tolist() == [[0, 2], [2, 3]] and found.cannot.tolist() == [[1, 5]]
    assert corrections_digest(path).keys() == {"corrections"}
    assert read_corrections(None, NAMES) is None and corrections_digest(None) == {}
    assert read_corrections(written(tmp_path), NAMES).must.shape == (0, 2)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["must-link,a.jpg,x.jpg", "cannot-link,y.jpg,b.jpg"], ["x.jpg (line 2)", "y.jpg (line 3)"]),
        (["same,a.jpg,b.jpg"], ["Line 2", "'same'", "must-link, cannot-link, not-a-person"]),
        (["cannot-link,a.jpg,a.jpg"], ["Line 2", "links a.jpg with itself"]),
        (
            ["must-link,a.jpg,b.jpg", "must-link,e.jpg,f.jpg", "must-link,b.jpg,c.jpg", "cannot-link,c.jpg,a.jpg"],
            ["line 5 keeps c.jpg and a.jpg apart", "must-links of line 2, 4 join"],
        ),
    ],
)
def test_wrong_corrections_are_refused_by_their_lines(tmp_path, rows, said):
    with pytest.raises(GclError) as caught:
        read_corrections(written(tmp_path, *rows), NAMES)
    assert all(text in str(caught.value) for text in said), caught.value


def test_corrections_need_their_columns_and_their_file(tmp_path):
    with pytest.raises(GclError, match="is a,b"):
        read_corrections(written(tmp_path, header="a,b"), NAMES)
    with pytest.raises(GclError, match="There is no file"):
        corrections_digest(str(tmp_path / "none.csv"))


def test_what_does_not_fit_in_memory_is_refused_with_what_would(monkeypatch, capsys):
    monkeypatch.setattr(fitting, "free_memory", lambda: 3_000_000_000)
    fitting.require_memory(1000, dimension=256, k1=30)
    assert "1,000 pictures of 256 numbers takes about" in capsys.readouterr().err
    with pytest.raises(GclError, match="3 GB are available") as caught:
        fitting.require_memory(10_000_000, dimension=256, k1=30)
    fits = int(caught.value.fix.split()[1].replace(",", ""))
    fitting.require_memory(fits, dimension=256, k1=30)
    assert f"{fits:,} pictures of 256 numbers takes about 3 GB of memory; 3 GB" in capsys.readouterr().err
    fitting.require_memory(fits * 6 // 5, dimension=256, k1=30)  # features that tell people apart may well fit
    assert "as a rule, and 3 GB are available" in capsys.readouterr().err


def test_pairs_that_do_not_fit_are_refused_before_they_are_made(monkeypatch, capsys):
    monkeypatch.setattr(fitting, "free_memory", lambda: 1_000_000_000)
    fitting.require_memory_for_pairs(200_000, size=1000, dimension=256, k1=30)
    assert "200,000 pairs of 1,000 pictures share neighbours (400 a picture)" in capsys.readouterr().err
    with pytest.raises(GclError, match="GB more, and 1 GB are available") as caught:
        fitting.require_memory_for_pairs(100_000_000, size=10_000, dimension=256, k1=30)
    fits = int(caught.value.fix.split()[1].replace(",", ""))
    fitting.require_memory_for_pairs(int(100_000_000 * fits / 10_000), size=fits, dimension=256, k1=30)


def test_agreement_is_over_the_pictures_that_both_labellings_have(tmp_path):
    write_labels(tmp_path / "old.csv", NAMES[1:], np.array([5, 5, 7, 7, -1]))
    work = WorkFolder(tmp_path / "work")
    earlier = previous_labels(work, str(tmp_path / "old.csv"), name="main")
    same = agreement(NAMES, np.array([3, 0, 0, 1, 1, -1]), earlier)
    assert same == {"agreement": 1.0, "agreement_pictures": 5}
    assert previous_labels(work, None, name="main") is None
    assert agreement(NAMES, np.zeros(6, dtype=int), None) == {"agreement": None, "agreement_pictures": 0}
    with pytest.raises(GclError, match="neither a file nor a clustering"):
        previous_labels(work, "old.csv", name="main")


def test_labels_carry_their_doubt(tmp_path):
    write_labels(tmp_path / "labels.csv", NAMES[:2], np.array([0, -1]), np.array([0.25, np.nan]))
    rows = list(csv.DictReader((tmp_path / "labels.csv").open()))
    assert rows == [
        {"name": "a.jpg", "label": "0", "doubt": "0.2500"},
        {"name": "b.jpg", "label": "-1", "doubt": ""},
    ]


def test_the_sheet_has_a_row_a_cluster_and_frames_the_suspicious_in_red(tmp_path):
    for name in NAMES:
        Image.new("RGB", (20, 40), "blue").save(tmp_path / name)
    samples = tuple(Sample(name, camera=1) for name in NAMES)
    doubt = np.array([0.1, 0.2, 0.7, 0.1, 0.1, np.nan])
    found = Cohesion(np.array([0.3, 0.1]), doubt, np.array([1, 1, 1, 0, 0, -1]))
    draw_clusters(tmp_path / "sheet.png", tmp_path, samples, np.array([0, 0, 0, 1, 1, -1]), found, np.array([4, 2]))
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"))
    assert sheet.shape[0] == GAP + 6 * (160 + 2 * LINE + GAP)  # two clusters, each largest, tightest, doubtful
    red = (sheet == (220, 30, 30)).all(axis=2)
    third = GAP + 2 * (80 + GAP)  # where the last picture of the first row begins
    assert red[: GAP + LINE + 160, third - FRAME :].sum() == 2 * FRAME * (160 + 80 + 2 * FRAME) - FRAME * (
        80 + 2 * FRAME
    )
    assert red[:, : third - FRAME].sum() == 0


def test_a_clustering_obeys_corrections_and_tells_what_it_changed(tmp_path, monkeypatch):
    from gcl_cli.commands import synth
    from gcl_cli.commands.cluster import command as cluster
    from gcl_cli.commands.warmup import command as warmup
    from gcl_cli.session import Session

    people, work = tmp_path / "people", str(tmp_path / "work")
    synth.run(str(people), {"ids": 6, "cameras": 2, "images": 4}, threads=1, restart=False)
    options = Session(work=work, device="cpu", threads=1)
    warmup.run(options, str(people), warmup.Warmup("cluster-contrast", "tiny", chosen={"epochs": 0}))
    loose = {"k1": 6, "k2": 2, "min_samples": 2, "radius": 0.7}
    first = cluster.run(options, None, loose)
    folder = tmp_path / "work" / "cluster" / "main"
    rows = list(csv.DictReader((folder / "labels.csv").open()))
    entries = json.loads((folder / "clusters.json").read_text())
    assert (folder / "clusters.png").exists() and first["agreement"] is None
    assert [e["label"] for e in entries] == list(range(first["clusters"]))
    assert {"size", "cameras", "tightness", "doubt", "suspicious"} <= entries[0].keys()
    largest = max(entries, key=lambda e: e["size"])["label"]
    together = [row["name"] for row in rows if row["label"] == str(largest)]
    other = next(row["name"] for row in rows if row["label"] != str(largest))
    path = written(tmp_path, f"cannot-link,{together[0]},{together[-1]}", f"must-link,{together[0]},{other}")
    with pytest.raises(GclError, match="corrections"):
        cluster.run(options, None, {**loose, "corrections": path})
    from dataclasses import replace

    again = cluster.run(replace(options, restart=True), None, {**loose, "corrections": path})
    labels = {row["name"]: row["label"] for row in csv.DictReader((folder / "labels.csv").open())}
    assert labels[together[0]] == labels[other] != "-1" and labels[together[0]] != labels[together[-1]]
    assert again["agreement"] < 1 and again["agreement_pictures"] == again["pictures"]
