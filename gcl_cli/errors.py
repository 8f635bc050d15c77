"""The only exception a user should see, and how its sentences name things."""

from collections.abc import Iterable, Mapping, Sequence


class GclError(Exception):
    """A problem the user can mend: what is wrong, what was found, and what to type.

    The command line prints it as two lines without a traceback and exits with code 2.
    Anything else that escapes is a bug of this project and keeps its traceback.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(f"{problem}\n{fix}")
        self.problem = problem
        self.fix = fix

    def __reduce__(self) -> tuple[type["GclError"], tuple[str, str]]:
        """Keep both lines when the error crosses a process boundary."""
        return type(self), (self.problem, self.fix)


def first_few(things: Sequence[object], number: int = 3) -> str:
    """`a, b, c, ...`: the first `number` of them."""
    return ", ".join(map(str, things[:number])) + (", ..." if len(things) > number else "")


def did_you_mean(word: str, known: Iterable[str], how: Mapping[str, str] | None = None) -> str:
    """`Did you mean radius?`; empty where nothing known is alike. `how` says how some are typed."""
    from difflib import get_close_matches  # of use to who mistyped alone

    alike = get_close_matches(word, list(known), n=1)
    return f"Did you mean {(how or {}).get(alike[0], alike[0])}?" if alike else ""
