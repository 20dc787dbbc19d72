"""The commits that a promotion lists, on real git with merges as a forge makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.clocks import SystemClock
from bighead_ci.delivery.changelog import commits_between
from bighead_ci.delivery.main import Mainline
from bighead_ci.forge.local import LocalForge
from bighead_ci.git.repository import GitRepository
from fakes.context import encoded, model_version
from fakes.memory_tree import DELAYS, FLIGHTS, repository
from fakes.repositories import begin_repository


class Company:
    """A repository in which things are merged by pull requests."""

    def __init__(self, directory: Path) -> None:
        self.repository = GitRepository(begin_repository(directory))
        self.forge = LocalForge(self.repository, SystemClock(), "grace")
        self.mainline = Mainline(self.repository)
        self.repository.commit("main", "main", encoded(repository()), "the first commit", "ada")

    def merge(self, subject: str, changes: dict[str, str], *more: dict[str, str]) -> str:
        """Merge a branch of one commit, or of several; the branch's head."""
        branch = subject.replace(" ", "-")
        head = "main"
        for one in (changes, *more):
            head = self.repository.commit(branch, head, encoded(one), f"part of {subject}", "ada")
        pull = self.forge.open(branch, "main", subject, "")
        self.forge.merge(pull.number, head)
        return head

    def brought(self, version: str, serves: str, will_serve: str) -> list[str]:
        """Subjects of the commits that a promotion lists."""
        found = commits_between(self.repository, self.mainline.at(), "late", version, serves, will_serve)
        return [commit.subject.split(" (#")[0] for commit in found]


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path / "forge.git")


def test_only_the_versions_own_commits_are_listed(company: Company) -> None:
    """Neither other models', nor other versions', nor the one that what serves was made from."""
    v1 = company.merge("late v1 again", {"models/late/v1/model.py": "# another\n"})
    company.merge("other v1", model_version("v1", "other"))
    v2 = company.merge("late v2", model_version("v2"), {"models/late/v2/README.md": "# v2\n"})
    company.merge("other v2", model_version("v2", "other"))
    company.merge("late v1 card", {"models/late/v1/README.md": "# card\n"})
    assert company.brought("v2", v1, v2) == ["late v2"]


def test_its_features_and_sources_count(company: Company) -> None:
    """What changed of them since what serves was made came with the new version, too; what changed before did not."""
    company.merge("source before", {"features/sources/flights.yaml": FLIGHTS + "    description: flights\n"})
    v1 = company.merge("late v1 again", {"models/late/v1/model.py": "# another\n"})
    company.merge("source", {"features/sources/flights.yaml": FLIGHTS + "    description: all flights\n"})
    company.merge("features", {"features/delays/v1/feature_set.yaml": DELAYS + "    description: delays\n"})
    company.merge("another set", {"features/delays/v2/feature_set.yaml": DELAYS})
    v2 = company.merge("late v2", model_version("v2"))
    assert company.brought("v2", v1, v2) == ["late v2", "features", "source"]


def test_what_comes_after_the_record_is_not_listed(company: Company) -> None:
    """A later edit of the version is not what is promoted now."""
    v1 = company.merge("late v1 again", {"models/late/v1/model.py": "# another\n"})
    v2 = company.merge("late v2", model_version("v2"))
    company.merge("late v2 card", {"models/late/v2/README.md": "# card\n"})
    assert company.brought("v2", v1, v2) == ["late v2"]


def test_a_new_artifact_of_the_version_that_serves(company: Company) -> None:
    """Only what changed since the old artifact."""
    old = company.merge("late v2", model_version("v2"))
    company.merge("other v1", model_version("v1", "other"))
    new = company.merge("late v2 again", {"models/late/v2/model.py": "# better\n"})
    assert company.brought("v2", old, new) == ["late v2 again"]


def test_a_head_that_main_never_got_leaves_out_nothing(company: Company) -> None:
    """Where it is unknown what serves was made from, all commits of the version are listed."""
    stray = company.repository.commit("stray", "main", {"x": b"1"}, "stray", "ada")
    v2 = company.merge("late v2", model_version("v2"))
    assert company.brought("v2", stray, v2)[0] == "late v2"
    assert company.brought("v2", v2, stray) == []
