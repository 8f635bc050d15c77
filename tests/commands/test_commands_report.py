"""`gcl report`: a work folder on one page."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from made_work import snapshot
from PIL import Image
from reported_work import make_encoder, make_nasty, make_nasty_work, make_people, make_work, options, reported

from gcl_cli.artifacts.folders import FoundFolder
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.run import Run
from gcl_cli.commands.report import command as report
from gcl_cli.commands.report import embedded
from gcl_cli.commands.report.album import Album
from gcl_cli.commands.report.atlas import flattened
from gcl_cli.commands.report.charts import line_chart, number
from gcl_cli.commands.report.gallery import chosen_clusters
from gcl_cli.commands.report.heads import Heads, blurred, drawn_head, known_heads
from gcl_cli.commands.report.ranked import chosen_queries
from gcl_cli.commands.report.words import in_words
from gcl_cli.errors import GclError
from gcl_cli.inventory.own_settings import command_for
from gcl_cli.inventory.survey import survey
from gcl_cli.metrics.ranking import Ranking

SECTIONS = [
    "Result", "Ranked lists", "Clusters", "Map of the embedding", "Generated views", "Figures of the generator",
    "Curves", "Provenance",
]  # fmt: skip


class Page(HTMLParser):
    """The elements of a page, and the text that a reader sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.inside: dict[str, str] = {}  # the last style and script
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        self._open = tag

    def handle_endtag(self, tag):
        self._open = ""

    def handle_data(self, data):
        if self._open in ("style", "script"):
            self.inside[self._open] = data
        else:
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def pictures(self) -> Iterator[Image.Image]:
        for attributes in self.all("img"):
            if uri := attributes.get("src"):
                yield Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    return make_people(tmp_path_factory.mktemp("report") / "people")


@pytest.fixture(scope="module")
def work(tmp_path_factory, people) -> Path:
    return make_work(tmp_path_factory.mktemp("report-work"), people)


@pytest.fixture(scope="module")
def page(work) -> Page:
    return Page(reported(work)[0])


@pytest.fixture(scope="module")
def nasty(tmp_path_factory) -> Page:
    folder = tmp_path_factory.mktemp("report-nasty")
    return Page(reported(make_nasty_work(folder / "work", make_nasty(folder / "people")))[0])


# --- the whole page ---------------------------------------------------------------------------------------------------


def test_a_whole_work_folder_has_every_section_and_stays_as_it_was(work):
    before = {name: stamp for name, stamp in snapshot(work).items() if name != "report.html"}
    text, result = reported(work)
    assert [row["section"] for row in result["sections"]] == SECTIONS
    assert all(row["shown"] and row["type"] is None for row in result["sections"])
    assert {name: stamp for name, stamp in snapshot(work).items() if name != "report.html"} == before
    assert result["megabytes"] == pytest.approx(len(text.encode()) / 1e6)


def test_the_same_work_folder_gives_the_same_page(work):
    first, second = (re.sub(r"\d{4}-\d\d-\d\dT[\d:+]+ by", "", reported(work)[0]) for _ in range(2))
    assert first == second


def test_the_page_asks_for_nothing_outside_it(page):
    addresses = [
        value for _, a in page.elements for key, value in a.items() if key in ("src", "href", "data", "action")
    ]
    assert addresses and all(value.startswith(("data:image/jpeg;base64,", "#")) for value in addresses)
    assert page.all("link") == [] and page.all("iframe") == [] and "url(" not in page.inside["style"]


def test_the_policy_lets_these_very_style_and_script_through_and_nothing_else(page):
    (policy,) = (m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    digest = {k: base64.b64encode(hashlib.sha256(v.encode()).digest()).decode() for k, v in page.inside.items()}
    assert rules == {
        "default-src": "'none'", "img-src": "data:", "style-src": f"'sha256-{digest['style']}'",
        "script-src": f"'sha256-{digest['script']}'", "base-uri": "'none'", "form-action": "'none'",
    }  # fmt: skip
    assert not any("style" in attributes for _, attributes in page.elements)


def test_every_picture_has_an_alternative_text_and_every_drawing_a_label(page):
    shown = [image for image in page.all("img") if "src" in image]
    assert len(shown) > 50 and all(image["alt"].strip() for image in shown)
    assert all(svg.get("aria-label") or svg.get("aria-hidden") == "true" for svg in page.all("svg"))
    assert all(circle["aria-label"] for circle in page.all("circle") if "point" in circle.get("class", "").split())


def test_names_that_are_markup_are_shown_as_they_are(nasty):
    assert len(nasty.all("script")) == 1 and "alert" not in nasty.inside["script"]
    assert not any(key.startswith("on") for _, attributes in nasty.elements for key in attributes)
    alternatives = {image["alt"] for image in nasty.all("img")}
    assert "doubtful member 1.jpg" in alternatives
    assert any("<script>alert(1)</script>.jpg" in alt for alt in alternatives)
    labels = {circle.get("aria-label") for circle in nasty.all("circle")}
    assert 'sub/"><img src=x onerror=alert(2)>&amp;.jpg, no cluster' in labels


def test_what_is_missing_says_what_to_type(tmp_path, people):
    make_encoder(tmp_path, people)
    page, result = reported(tmp_path)
    missing = {row["section"]: row["type"] for row in result["sections"] if not row["shown"]}
    assert missing == {
        "Result": "gcl evaluate", "Figures of the generator": "gcl gen-metrics",
        "Generated views": "Make it: gcl gan-warmup", "Clusters": "Make it: gcl cluster",
    }  # fmt: skip
    assert all(f"<code>{fix}</code>" in page for fix in missing.values())


def test_sections_without_the_pictures_are_still_there(tmp_path):
    data = make_nasty(tmp_path / "people")
    work = make_nasty_work(tmp_path / "work", data)
    data.rename(tmp_path / "elsewhere")
    _, result = reported(work)
    shown = {row["section"]: row["shown"] for row in result["sections"]}
    assert shown["Curves"] and shown["Provenance"] and not shown["Clusters"] and not shown["Map of the embedding"]


def test_counts_of_none_leave_sections_out(work):
    _, result = reported(work, people=0, queries=0, clusters=0, pictures=0)
    assert [row["section"] for row in result["sections"]] == [SECTIONS[0], *SECTIONS[-3:]]


def test_without_labels_clusters_come_first_and_nothing_asks_for_figures_that_cannot_be_had(tmp_path):
    page, result = reported(make_nasty_work(tmp_path / "work", make_nasty(tmp_path / "people")))
    titles = [row["section"] for row in result["sections"]]
    assert titles[0] == "Clusters" and not {"Result", "Ranked lists"} & set(titles)
    assert "gcl evaluate" not in page.partition("<main")[2].partition("What to type")[2]


def test_what_is_missing_stands_last_in_a_section_of_its_own(tmp_path, people):
    make_encoder(tmp_path, people)
    text, result = reported(tmp_path)
    shown = [row["shown"] for row in result["sections"]]
    assert shown == sorted(shown, reverse=True) and not all(shown)
    assert text.index("Not there yet</h2>") > text.index('id="provenance"')


def test_a_summary_stands_before_everything(work, tmp_path):
    text, _ = reported(work)
    mean = json.loads((work / "evaluate/warmup-main/manifest.json").read_text())["result"]["mAP"]
    head = text.partition("<nav")[0]
    assert f"<dd>{mean:.1f} %</dd>" in head and "mAP of warmup/main" in head and "training pictures" in head


def test_recorded_names_are_said_in_words_with_units():
    assert in_words("share_noise") == "pictures in no cluster (share)"
    assert in_words("seconds_clustering") == "clustering (s)" and in_words("rate_identity") == "learning rate, identity"
    assert in_words("some_new_thing") == "some new thing"


def test_a_search_is_told_as_it_is_typed(work):
    config = {"encoder": "joint/main", "gallery": "/my crops", "flip": True}
    found = FoundFolder(
        "search", "my_crops-0123", work / "search", False, config=config, result={}, inputs={}, digest=None,
        moment=None, damage="", metrics=None,
    )  # fmt: skip
    assert command_for(found, survey(WorkFolder(work))) == "gcl search '/my crops' PICTURE --encoder joint/main --flip"


def test_an_empty_work_folder_has_no_page(tmp_path):
    with pytest.raises(GclError, match="no artifact yet") as told:
        report.run(options(tmp_path / "work"), None, {})
    assert told.value.fix == "gcl run DATA" and not (tmp_path / "work").exists()


@pytest.mark.parametrize("to", ["folder.html", "weights.safetensors"])
def test_a_page_goes_into_a_file_of_its_own_kind(work, tmp_path, to):
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(GclError, match="not the name of a page"):
        report.run(options(work), str(tmp_path / to), {})
    assert not (tmp_path / "weights.safetensors").exists()


# --- figures and curves -----------------------------------------------------------------------------------------------


def test_results_are_those_of_the_artifact_with_their_intervals(work, page):
    measured = json.loads((work / "evaluate/warmup-main/result.json").read_text())
    low, high = measured["intervals"]["mAP"]
    assert f"{measured['mAP']:.1f}" in page.text and f"{low:.1f} to {high:.1f}" in page.text
    assert "12.5" in page.text and "13.5" in page.text  # of the generator, mixed and by angle


def test_a_line_chart_spans_its_area(tmp_path):
    chart = line_chart("loss", [(1, 4.0), (2, 1.0), (5, 2.5)])
    assert chart.path == "M0 0 L60 90 L240 45"
    assert (chart.low, chart.high, chart.first, chart.last) == ("1", "4", "1", "5")
    assert chart.said == "loss: from 4 in epoch 1 to 2.5 in epoch 5, between 1 and 4"
    assert chart.values == {1: "4", 2: "1", 5: "2.5"}
    assert line_chart("radius", [(1, 0.5), (2, 0.5)]).path == "M0 45 L240 45"


def test_numbers_are_short():
    assert [number(value) for value in (48, 12936, 0.123456, 3.0, 1234567.0)] == [
        "48",
        "12,936",
        "0.1235",
        "3",
        "1.235e+06",
    ]


def test_a_training_that_is_under_way_shows_the_epochs_it_has(tmp_path, people):
    make_encoder(tmp_path, people)
    run = Run(WorkFolder(tmp_path), "joint", "main", {"preset": "tiny"}, {})
    with run.begin(restart=False):
        run.record({"epoch": 1, "vi": 0.75, "image": float("nan"), "rate_identity": 0.1})
        with (run.folder / "metrics.jsonl").open("a") as file:
            file.write('{"epoch": 2, "vi": 0.')
        page = Page(reported(tmp_path, queries=0, pictures=0)[0])
    assert any(said.startswith("joint/main: 1 epoch") for said in page.text)
    labels = [svg.get("aria-label", "") for svg in page.all("svg")]
    assert "view-invariant loss L_vi: from 0.75 in epoch 1 to 0.75 in epoch 1" in labels
    assert not any("reconstruction" in label for label in labels)


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_pictures_are_thumbnails_unless_asked_for_in_full(work, tmp_path):
    small, full = (
        {picture.height for picture in Page(reported(work, thumbnail=40, full_pictures=full)[0]).pictures()}
        for full in (False, True)
    )
    assert small == {40} and max(full) > 64


def test_a_blurred_head_keeps_nine_colours_and_the_rest_stays():
    picture = np.random.default_rng(0).integers(0, 256, (60, 30, 3), dtype=np.uint8)
    made = blurred(picture, (5, 6, 23, 24))
    inside = np.zeros((60, 30), bool)
    inside[6:24, 5:23] = True
    assert (made[~inside] == picture[~inside]).all()
    assert made[6:24, 5:23].std() < picture[6:24, 5:23].std() / 5
    other = picture.copy()
    other[6:24, 5:23] = other[6:24, 5:23].reshape(3, 6, 3, 6, 3)[:, ::-1, :, ::-1].reshape(18, 18, 3)
    assert (blurred(other, (5, 6, 23, 24)) == made).all()  # whatever lies within a cell, only its mean is left


def test_heads_are_about_their_landmarks_else_in_the_top_quarter():
    points = np.full((11, 2), (16.0, 20.0))
    points[0], points[1] = (12.0, 20.0), (20.0, 20.0)
    heads = Heads({"a.jpg": points, "edge.jpg": np.zeros((11, 2))})
    assert heads.on("a.jpg", 64, 32) == (8, 12, 24, 28)  # twice the 4 pixels that the face reaches from its middle
    assert heads.on("edge.jpg", 64, 32) == (0, 0, 4, 4)
    assert heads.on("b.jpg", 64, 32) == (0, 0, 32, 16)


def test_the_head_of_a_drawn_body_is_its_top(tmp_path):
    body = np.full((64, 32), 255, np.uint8)
    body[4:61, 10:22] = 128
    body[4:12, 10:22] = 255
    body[4:12, 14:18] = 128
    left, top, right, bottom = drawn_head(body)
    assert left <= 14 and right >= 18 and top <= 4 and 12 <= bottom <= 16
    assert drawn_head(np.full((64, 32), 255, np.uint8)) == (0, 0, 32, 16)


def test_blur_faces_blurs_every_photograph(work, people):
    heads = known_heads(WorkFolder(work))
    plain, hidden = Album(people, 128, True, None), Album(people, 128, True, heads)
    names = [path.relative_to(people).as_posix() for path in sorted(people.glob("*/*.jpg"))]
    for name in names:
        before, after = (
            np.asarray(Image.open(io.BytesIO(base64.b64decode(a.photograph(name, "").uri.partition(",")[2]))), float)
            for a in (plain, hidden)
        )
        left, top, right, bottom = heads.on(name, *before.shape[:2])
        change = np.abs(before - after).mean(axis=2)
        assert change[top:bottom, left:right].mean() > 3 * change[bottom + 16 :].mean()
    first, second = (set(re.findall(r'src="(data:[^"]+)"', reported(work, blur_faces=blur)[0])) for blur in (0, 1))
    bodies = first & second
    assert 0 < len(bodies) <= 4 * 3  # only drawn bodies have no face


# --- what is chosen ---------------------------------------------------------------------------------------------------


def test_wrong_queries_are_the_worst_and_right_ones_are_spread():
    precision = np.array([0.9, 0.1, np.nan, 0.3, 0.5, 0.2, 0.7])
    first = np.array([1, 9, 0, 2, 1, 4, 1])
    ranking = Ranking(0.0, np.zeros(1), 0.0, 6, 1, precision, precision, first, {})
    assert chosen_queries(ranking, 2) == ([1, 5], [4, 0])
    assert chosen_queries(ranking, 9) == ([1, 5, 3], [4, 6, 0])


def test_the_most_doubtful_and_the_largest_clusters_are_shown_once_each():
    entries = [
        {"label": 0, "size": 9, "doubt": 0.1, "suspicious": []},
        {"label": 1, "size": 2, "doubt": 0.4, "suspicious": [{}, {}]},
        {"label": 2, "size": 5, "doubt": 0.3, "suspicious": [{}]},
        {"label": 3, "size": 7, "doubt": 0.2, "suspicious": []},
    ]
    assert [entry["label"] for entry in chosen_clusters(entries, 4)] == [1, 2, 0, 3]
    assert [entry["label"] for entry in chosen_clusters(entries, 1)] == [1]


def test_ranked_lists_are_the_same_from_kept_embeddings_and_from_new_ones(work, monkeypatch):
    kept = lists_of(reported(work)[0])
    used = []
    monkeypatch.setattr(embedded.Eye, "features", lambda eye, pictures: used.append(1) or EMBED(eye, pictures))
    for file in (work / "evaluate/warmup-main").glob("*.embeddings.safetensors"):
        file.rename(file.with_suffix(".away"))
    try:
        made, (_, result) = lists_of(reported(work)[0]), reported(work, embed_at_most=2)
    finally:
        for file in (work / "evaluate/warmup-main").glob("*.away"):
            file.rename(file.with_suffix(".safetensors"))
    assert used and kept and made == kept
    (told,) = [row["type"] for row in result["sections"] if row["section"] == "Ranked lists"]
    assert told.startswith("gcl evaluate --encoder warmup/main --set save_embeddings=true --restart")


EMBED = embedded.Eye.features


def lists_of(page: str) -> list[str]:
    """The names in the ranked lists, in order."""
    return re.findall(r'alt="((?:rank \d+, [a-z ]+|query): ?[^"]+)"', page)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_map_is_the_same_every_time_and_keeps_groups_apart(method):
    rng = np.random.default_rng(3)
    centres = np.repeat(np.eye(8)[:2], 10, axis=0)
    features = (centres + 0.01 * rng.standard_normal((20, 8))).astype(np.float32)
    places = flattened(features, method=method, seed=1)
    assert (places == flattened(features, method=method, seed=1)).all()
    apart = torch.cdist(*(torch.from_numpy(np.asarray(places, float)),) * 2)
    assert apart[:10, :10].max() < apart[:10, 10:].min()
