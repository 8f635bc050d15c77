"""NOTICE: what the package uses, with licences."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_package_that_is_installed_for_users_is_listed_with_its_licence():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [
        package for extra, listed in project["optional-dependencies"].items() if extra != "test" for package in listed
    ]
    wanted = {re.split(r"[\[<>=]", package)[0] for package in (*project["dependencies"], *extras)}
    listed = set(re.findall(r"([\w-]+) \((?:Apache|BSD|MIT)[\w.-]*\)", (ROOT / "NOTICE").read_text()))
    assert wanted <= listed
