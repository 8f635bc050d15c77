import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gcl_cli.artifacts.layout import checked_name
from gcl_cli.errors import GclError
from gcl_cli.machine.processes import map_shared
from gcl_cli.machine.system import cores

ROOT = Path(__file__).resolve().parents[2]


def test_results_come_in_the_order_of_the_items_whoever_works():
    items = [float(i) for i in range(20)]
    alone, shared = (list(map_shared(math.sqrt, iter(items), processes=n)) for n in (1, 2))
    assert alone == shared == [math.sqrt(item) for item in items]


def test_one_process_works_here_and_only_as_far_as_it_is_asked():
    seen = []
    results = map_shared(lambda item: seen.append(item) or os.getpid(), range(5), processes=1)
    assert next(results) == os.getpid() and seen == [0]


def test_processes_have_one_thread_each_and_the_environment_is_put_back(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"]
    assert list(map_shared(os.getenv, names, processes=2)) == ["1", "1", "1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "7" and "MKL_NUM_THREADS" not in os.environ


def test_an_error_in_a_process_is_raised_here_with_both_its_lines():
    with pytest.raises(GclError) as caught:
        list(map_shared(checked_name, ["main", ".hidden"], processes=2))
    assert "'.hidden'" in caught.value.problem and caught.value.fix


def test_there_is_at_least_one_core():
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_an_interruption_is_answered_by_the_first_process_alone(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import signal, time\nfrom gcl_cli.machine.processes import map_shared\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background inherits: ignore it
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        for _ in map_shared(time.sleep, [0.0, 0.0, 5.0], processes=3):\n"
        "            print('working', flush=True)\n"
        "    except KeyboardInterrupt:\n"
        "        print('interrupted', flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(script)], start_new_session=True, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert [process.stdout.readline() for _ in range(2)] == ["working\n"] * 2  # two processes wait, one works
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
    assert process.communicate(timeout=60) == ("interrupted\n", "")
