"""The report as a reader meets it: in Chromium, without a network."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from devtools import Browser, installed
from PIL import Image
from reported_work import make_nasty, make_nasty_work, make_people, make_work, reported

from gcl_cli.people.corrections import correction_rows

pytestmark = pytest.mark.skipif(
    installed() is None, reason="Chromium is not installed: apt-get install chromium, or chromium-browser"
)
SHOWN = "[...document.querySelectorAll('[data-items={group}] > [data-kind]')].filter(i => i.offsetParent)"
LOOKED_AT = "document.querySelector('.looked-at img')"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = installed()
    assert program is not None
    with Browser(program) as opened:
        yield opened


@pytest.fixture(autouse=True)
def nothing_remembered(browser: Browser) -> None:
    browser.send("Storage.clearDataForOrigin", origin="file://", storageTypes="local_storage")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    return Path(reported(make_work(folder / "work", make_people(folder / "people")))[1]["page"])


@pytest.fixture(scope="module")
def nasty(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browser-nasty")
    return Path(reported(make_nasty_work(folder / "work", make_nasty(folder / "people")))[1]["page"])


def kinds(browser: Browser, group: str) -> list[str]:
    """What kinds of items of a filtered group are to be seen."""
    kinds: list[str] = browser.evaluate(f"{SHOWN.format(group=group)}.map(i => i.dataset.kind)")
    return kinds


def test_the_page_loads_without_a_network_and_without_a_complaint(browser, page):
    browser.open(page)
    assert browser.complaints() == []
    assert browser.requests() == [page.resolve().as_uri()]
    broken = "[...document.images].filter(i => i.src && !(i.complete && i.naturalWidth)).length"
    assert browser.evaluate("document.images.length") > 50 and browser.evaluate(broken) == 0
    assert browser.evaluate("document.querySelectorAll('main > section').length") == 8


def test_a_page_that_is_tampered_with_runs_no_foreign_script_and_asks_for_nothing(browser, page, tmp_path):
    foreign = '<script>document.title = "taken"</script><img src="https://example.org/x.png" alt="">'
    spoiled = tmp_path / "spoiled.html"
    spoiled.write_text(page.read_text(encoding="utf-8").replace("</main>", f"</main>{foreign}"), encoding="utf-8")
    browser.open(spoiled)
    assert browser.evaluate("document.title").endswith("gcl report")
    complaints = browser.complaints()  # this very list is empty above
    assert any("script" in line for line in complaints) and any("example.org" in line for line in complaints)
    failed = [event["params"] for event in browser.events if event.get("method") == "Network.loadingFailed"]
    assert [failure.get("blockedReason") for failure in failed] == ["csp"]


def test_names_that_are_markup_do_nothing(browser, nasty):
    browser.open(nasty)
    assert browser.complaints() == []
    assert not any(event.get("method") == "Page.javascriptDialogOpening" for event in browser.events)
    assert "<script>alert(1)</script>.jpg" in browser.evaluate("[...document.images].map(i => i.alt).join()")
    browser.evaluate("document.querySelectorAll('.point').forEach(p => p.focus())")
    assert browser.evaluate(f"{LOOKED_AT}.alt") == 'sub/"><img src=x onerror=alert(2)>&amp;.jpg, no cluster'
    assert browser.complaints() == []


def test_ranked_lists_and_clusters_are_filtered_by_links_and_by_the_address(browser, page):
    browser.open(page)
    everything = kinds(browser, "ranked")
    assert set(everything) == {"right", "wrong"} and set(kinds(browser, "clusters")) == {"doubtful", "sure"}
    browser.open(page, "#wrong")
    assert kinds(browser, "ranked") == [kind for kind in everything if kind == "wrong"]
    assert set(kinds(browser, "clusters")) == {"doubtful", "sure"}
    browser.evaluate("document.querySelector('.filter a[href=\"#right\"]').focus()")
    browser.press("Enter")
    browser.evaluate("new Promise(done => setTimeout(done, 50))")
    assert kinds(browser, "ranked") == [kind for kind in everything if kind == "right"]
    status = browser.evaluate("document.querySelector('[data-group=ranked] [role=status]').textContent")
    assert status == f"{everything.count('right')} of {len(everything)} shown"
    assert browser.evaluate("document.querySelector('[href=\"#right\"]').getAttribute('aria-current')") == "true"
    browser.open(page, "#doubtful")
    assert kinds(browser, "clusters") == ["doubtful"] and kinds(browser, "ranked") == everything


def test_the_map_is_one_stop_of_the_tab_key_and_arrows_go_from_dot_to_dot(browser, page):
    browser.open(page)
    assert browser.evaluate("document.querySelectorAll('.point[tabindex=\"0\"]').length") == 1
    browser.evaluate("document.querySelector('[data-colours] a:last-child').focus()")
    browser.press("Tab")
    first = browser.evaluate(f"{LOOKED_AT}.alt")
    assert first and first == browser.evaluate("document.activeElement.getAttribute('aria-label')")
    seen = {first}
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowRight"):
        browser.press(key)
        seen.add(browser.evaluate(f"{LOOKED_AT}.alt"))
    assert len(seen) >= 2
    assert browser.evaluate(f"{LOOKED_AT}.naturalWidth") > 0
    browser.press("Tab")
    assert not browser.evaluate("document.activeElement.classList.contains('point')")


def test_the_map_can_be_coloured_by_cluster(browser, page):
    colours = "new Set([...document.querySelectorAll('.point')].map(p => getComputedStyle(p).fill)).size"
    browser.open(page, "#by-cluster")
    assert browser.evaluate(colours) == 3  # two clusters, and none
    assert browser.evaluate("document.querySelector('[data-legend=cluster]').offsetParent !== null")
    assert browser.evaluate("document.querySelector('[data-legend=camera]').offsetParent === null")


def test_everything_is_to_be_seen_without_scripts(browser, page):
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        assert len(kinds(browser, "ranked")) > 1
        assert browser.evaluate("[...document.querySelectorAll('.filter')].every(bar => !bar.offsetParent)")
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def corrections(browser: Browser, folder: Path) -> str:
    """The file that the page hands over when its link is clicked."""
    browser.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.click(".correct .download")
    path = folder / "corrections.csv"
    for _ in range(200):
        if path.exists() and path.stat().st_size:
            break
        browser.evaluate("new Promise(done => setTimeout(done, 50))")
    text = path.read_text(encoding="utf-8")
    path.unlink()
    return text


def test_somebody_corrects_clusters_by_mouse_and_keyboard_and_takes_the_file_away(browser, page, tmp_path):
    browser.open(page)
    shown = "[...document.querySelectorAll('.questions > li')].findIndex(i => i.offsetParent)"
    status = "document.querySelector('.correct [role=status]').textContent"
    names = browser.evaluate(
        "[...document.querySelectorAll('.questions > li')].map(i => [i.dataset.first, i.dataset.second])"
    )
    (one, far), (_, other) = names
    assert browser.evaluate(shown) == 0 and browser.evaluate(status) == "0 corrections"
    browser.click("[data-answer=different]")
    assert browser.evaluate(shown) == 1 and browser.evaluate(status) == "1 correction"
    browser.evaluate("document.querySelector('[data-answer=same]').focus()")
    browser.press("s")
    assert browser.evaluate(shown) == -1 and "no question is left" in browser.evaluate(status)
    written = f"kind,first,second\ncannot-link,{one},{far}\nmust-link,{one},{other}\n"
    assert corrections(browser, tmp_path) == written
    assert read_rows(tmp_path, written) == [("cannot-link", one, far), ("must-link", one, other)]
    browser.evaluate("document.querySelector('[data-undo]').focus()")
    browser.press("z")
    assert browser.evaluate(shown) == 1
    browser.press("1")  # nobody is on the left one, which the first answer is about, too
    assert browser.evaluate(status) == "2 corrections; no question is left"
    assert browser.complaints() == []


def read_rows(folder: Path, text: str) -> list[tuple[str, str, str]]:
    (folder / "read.csv").write_text(text, encoding="utf-8")
    return correction_rows(str(folder / "read.csv"))


def test_marked_pictures_are_split_off_or_are_no_person_and_clusters_are_merged(browser, page, tmp_path):
    browser.open(page)
    browser.click("[data-cluster='0'] .pick")
    assert browser.evaluate("document.querySelector('.pick').getAttribute('aria-pressed')") == "true"
    browser.click("[data-cluster='0'] [data-do=split]")
    rows = read_rows(tmp_path, corrections(browser, tmp_path))
    members = browser.evaluate("[...document.querySelectorAll('[data-cluster=\"0\"] .pick')].map(p => p.dataset.name)")
    assert rows == [("cannot-link", members[0], name) for name in members[1:]]
    browser.click("[data-cluster='0'] .pick")
    browser.click("[data-cluster='0'] [data-do=nobody]")
    assert read_rows(tmp_path, corrections(browser, tmp_path))[-1] == ("not-a-person", members[0], "")
    browser.click("[data-undo]")
    browser.evaluate("document.querySelector('[data-cluster=\"0\"] input').value = '1'")
    browser.click("[data-cluster='0'] [data-do=merge]")
    kind, first, second = read_rows(tmp_path, corrections(browser, tmp_path))[-1]
    assert kind == "must-link" and first in {*members} and second not in members
    browser.evaluate("document.querySelector('[data-cluster=\"0\"] input').value = '99'")
    browser.click("[data-cluster='0'] [data-do=merge]")
    assert browser.evaluate("document.querySelector('.correct [role=status]').textContent") == (
        "Type the number of another cluster."
    )
    assert browser.complaints() == []


def test_what_contradicts_an_answer_is_refused(browser, page):
    browser.open(page)
    browser.click("[data-answer=different]")
    pair = "document.querySelector('.questions > li').dataset"
    mark = "[...document.querySelectorAll('[data-cluster=\"0\"] .pick')].find(p => p.dataset.name === {}).click()"
    for side in ("first", "second"):
        browser.evaluate(mark.format(f"{pair}.{side}"))
    browser.click("[data-cluster='0'] [data-do=split]")  # says that both are one person
    status = browser.evaluate("document.querySelector('.correct [role=status]').textContent")
    assert status == "That contradicts what was said before: undo first."


def test_corrections_are_there_again_when_the_page_is_closed_and_opened(browser, page, tmp_path):
    status = "document.querySelector('.correct [role=status]').textContent"
    browser.open(page)
    browser.click("[data-answer=different]")
    rows = read_rows(tmp_path, corrections(browser, tmp_path))
    browser.open(page)
    assert browser.evaluate(status) == "1 correction"
    assert read_rows(tmp_path, corrections(browser, tmp_path)) == rows
    browser.click("[data-undo]")
    browser.open(page)
    assert browser.evaluate(status) == "0 corrections"


def test_a_page_whose_corrections_cannot_be_remembered_is_not_left_without_a_word(browser, page, tmp_path):
    leaving = "(e => { dispatchEvent(e); return e.defaultPrevented; })(new Event('beforeunload', { cancelable: true }))"
    browser.open(page)
    browser.evaluate("Storage.prototype.setItem = () => { throw new Error('full'); }")
    assert browser.evaluate(leaving) is False
    browser.click("[data-answer=different]")
    assert browser.evaluate(leaving) is True
    corrections(browser, tmp_path)
    assert browser.evaluate(leaving) is False


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_it_fits_screens_and_is_readable_in_light_and_dark(browser, page, tmp_path, width, dark):
    browser.open(page, width=width, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.complaints() == []
    browser.screenshot(tmp_path / "shot.png")
    with Image.open(tmp_path / "shot.png") as shot:
        assert (sum(shot.convert("RGB").getpixel((2, 2))) < 200) is dark
    assert browser.evaluate("document.querySelector('[data-answer=same]').offsetParent !== null")
    for selector in (
        "body",
        ".correct button",
        ".correct kbd",
        ".facts dt",
        "nav a",
        ".caption",
        ".right > span",
        ".wrong > span",
        ".chart figcaption",
    ):
        style = browser.evaluate(
            f"(s => [s.color, getComputedStyle(document.body).backgroundColor])"
            f"(getComputedStyle(document.querySelector('{selector}')))"
        )
        assert contrast(*style) >= 4.5, selector  # WCAG 2, level AA


def contrast(first: str, second: str) -> float:
    """The contrast of two CSS colours `rgb(r, g, b)` (WCAG 2.2, "contrast ratio")."""
    lights = []
    for colour in (first, second):
        shares = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)
