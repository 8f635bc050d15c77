"""The only exception a user should see."""


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
