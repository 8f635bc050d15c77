"""The most memory that a process had, of its own.

`getrusage` will not do: a program takes over the peak of the process that started it, and a long session of tests has
had more than anything that it measures. What is told then never grows.
"""

import inspect


def peak() -> int:
    """The most bytes that this process held, since it began or since `forget_peak`."""
    import resource
    from pathlib import Path

    status = Path("/proc/self/status")
    if not status.exists():  # a Mac, which counts bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def forget_peak() -> None:
    """Let `peak` begin anew, with what is held now; where there is no /proc, it goes on."""
    from pathlib import Path

    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


PEAK = inspect.getsource(peak) + "\n\n" + inspect.getsource(forget_peak)  # for programs that are given as text
