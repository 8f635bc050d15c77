"""What must not grow: memory with the number of pictures, and anything with the number of training steps."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from own_peak import PEAK
from small_chain import COMMANDS, make_chain

pytestmark = pytest.mark.slow
MEASURED = """
import sys
from gcl_cli import api
getattr(api, sys.argv[1])(*eval(sys.argv[2]), **eval(sys.argv[3]))
print(peak())
"""
FEW, MANY = 120, 1200
PAGE = os.sysconf("SC_PAGE_SIZE")


def peak(command: str, *words: str, **named: object) -> int:
    """Bytes that a command held at most, in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", PEAK + MEASURED, command, repr(words), repr(named)],
        capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return int(run.stdout.splitlines()[-1])


def held(process: int) -> tuple[int, int]:
    """Bytes of memory and open files of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * PAGE, len(list(Path(f"/proc/{process}/fd").iterdir()))


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Folders of few and of many pictures: the same people over and over, under other names."""
    root = tmp_path_factory.mktemp("crops")
    peak("synth", str(root / "people"), ids=12, cameras=2, images=2, seed=5)
    people = sorted((root / "people").rglob("*.jpg"))
    folders = {count: root / str(count) for count in (FEW, MANY)}
    for count, folder in folders.items():
        folder.mkdir()
        for number in range(count):
            (folder / f"{number:05d}.jpg").hardlink_to(people[number % len(people)])
    return folders


@pytest.fixture(scope="module")
def works(crops: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, int]]:
    """The peaks of every step whose memory is promised to be flat, for few and for many pictures."""
    peaks: dict[int, dict[str, int]] = {}
    for count, folder in crops.items():
        where = str(tmp_path_factory.mktemp(f"work{count}"))
        work = {"work": where, "threads": 1}
        small = {"trunk_width": 16, "height": 64, "width": 32, "iterations": 1, "colour_epochs": 1}
        peaks[count] = {
            "mesh": peak("mesh", str(folder), **work),
            "render": peak("render", height=64, width=32, **work),
        }
        peak("warmup", preset="tiny", epochs=1, set=small, radius=0.6, **work)
        peaks[count] |= {
            "search (embed)": peak("search", str(folder), str(folder / "00000.jpg"), to=f"{where}/found", **work),
            "gen-metrics": peak(
                "gen_metrics", real=str(folder), generated=str(folder), measures=["encoder", "dssim"],
                encoder="warmup/main", **work,
            ),
        }  # fmt: skip
    return peaks


@pytest.mark.parametrize("step", ["mesh", "render", "search (embed)", "gen-metrics"])
def test_memory_is_the_same_for_ten_times_the_pictures(works, step):
    few, many = works[FEW][step], works[MANY][step]
    sys.stdout.write(f"memory of {step}: {few / 1e6:.0f} MB for {FEW} pictures, {many / 1e6:.0f} MB for {MANY}\n")
    # what a picture may cost is its rows of the results: some kilobytes
    assert many - few < 0.05 * few + (MANY - FEW) * 8192


def test_a_thousand_training_steps_leave_nothing_behind(tmp_path):
    work = make_chain(tmp_path)
    words = ["joint", "--epochs", "250", "--iterations", "2", *COMMANDS["joint"][5:], "--work", str(work)]
    process = subprocess.Popen(
        [sys.executable, "-m", "gcl_cli", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    metrics, marks = work / "joint" / "main.partial" / "metrics.jsonl", {}
    while process.poll() is None:
        with suppress(OSError):  # not begun, or just finished
            steps = 4 * metrics.read_text().count("\n")
            marks[steps] = held(process.pid)
        time.sleep(0.05)
    assert process.returncode == 0
    early, late = min(step for step in marks if step >= 200), max(marks)
    (memory_early, files_early), (memory_late, files_late) = marks[early], marks[late]
    sys.stdout.write(
        f"soak: {memory_early / 1e6:.0f} MB after {early} joint steps, {memory_late / 1e6:.0f} MB after {late}\n"
    )
    assert late >= 950
    assert memory_late - memory_early < 0.03 * memory_early
    assert files_late <= files_early + 1  # a file that is just being written


def test_a_hundred_thousand_pictures_in_one_folder_are_listed_and_remembered(tmp_path):
    people = tmp_path / "people"
    (people / "bounding_box_train").mkdir(parents=True)
    for number in range(100_000):
        person, camera = divmod(number, 8)
        name = f"{person + 1:05d}_c{camera + 1}s1_{number:06d}_00.jpg"
        (people / "bounding_box_train" / name).write_bytes(b"\xff\xd8\xff" + number.to_bytes(4))
    script = (
        "import time, sys\n"
        "from gcl_cli.records import Session\n"
        "from gcl_cli.people.data import open_data\n"
        "begun = time.process_time()\n"
        "opened = open_data(Session(work=sys.argv[2]), sys.argv[1])\n"
        "assert len(opened.split('train')) == 100_000\n"
        "open_data(Session(work=sys.argv[2]), None)\n"
        "print(time.process_time() - begun, peak() / 1e6)\n"
    )
    command = [sys.executable, "-c", PEAK + script, str(people), str(tmp_path / "work")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    seconds, megabytes = map(float, run.stdout.split())
    sys.stdout.write(f"100,000 pictures in one folder: opened twice in {seconds:.1f} CPU seconds, {megabytes:.0f} MB\n")
    assert seconds < 60 and megabytes < 1500
