"""Main memory: what Linux reckons, within what a container has left."""

from gcl_cli.machine.ram import free_memory, usable_memory


def test_free_memory_is_what_linux_reckons_within_what_a_container_has_left(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal:   900 kB\nMemAvailable:    500 kB\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(tmp_path, tmp_path) == 500 * 1024
    (tmp_path / "memory.max").write_text("9000\n")
    (tmp_path / "memory.current").write_text("5000\n")
    assert free_memory(tmp_path, tmp_path) == 4000


def test_files_that_a_container_has_read_count_as_free(tmp_path):
    (tmp_path / "meminfo").write_text("MemAvailable:    500 kB\n")
    (tmp_path / "memory.max").write_text("9000\n")
    (tmp_path / "memory.current").write_text("8000\n")
    (tmp_path / "memory.stat").write_text("anon 1000\ninactive_file 6000\n")
    assert free_memory(tmp_path, tmp_path) == 7000


def test_without_what_linux_tells_it_is_all_there_is(tmp_path):
    assert free_memory(tmp_path, tmp_path) == usable_memory(tmp_path)[0] > 1e8


def test_a_containers_limit_is_named_as_one(tmp_path):
    assert usable_memory(tmp_path)[1] is False
    (tmp_path / "memory.max").write_text("1000\n")
    assert usable_memory(tmp_path) == (1000, True)
