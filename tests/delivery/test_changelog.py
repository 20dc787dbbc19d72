"""The commits that a promotion lists, on real git with merges as forges make them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.clocks import SystemClock
from bighead_ci.delivery import changelog
from bighead_ci.delivery.changelog import commits_between
from bighead_ci.delivery.main import Mainline
from bighead_ci.documents.forge import PullRequestState, PullRequestSummary
from bighead_ci.forge.local import LocalForge
from bighead_ci.git.repository import GitRepository
from fakes.context import encoded, model_version
from fakes.memory_tree import DELAYS, FLIGHTS, repository
from fakes.merging import ForwardingForge, RebasingForge, SquashingForge
from fakes.repositories import begin_repository


class Company:
    """A repository in which things are merged by pull requests."""

    def __init__(self, directory: Path, forge: type[LocalForge]) -> None:
        self.repository = GitRepository(begin_repository(directory))
        self.forge = forge(self.repository, SystemClock(), "grace")
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
        """What the commits belong to that a promotion lists, each once."""
        main = self.mainline.at()
        found = commits_between(self.repository, self.forge, main, "late", version, serves, will_serve)
        return list(dict.fromkeys(commit.subject.removeprefix("part of ").split(" (#")[0] for commit in found))


@pytest.fixture(params=[LocalForge, SquashingForge, RebasingForge, ForwardingForge])
def company(request: pytest.FixtureRequest, tmp_path: Path) -> Company:
    return Company(tmp_path / "forge.git", request.param)


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


def test_a_head_that_no_repository_has_any_more_leaves_out_nothing(company: Company) -> None:
    """A branch is deleted after its merge, and a clone never gets it."""
    v2 = company.merge("late v2", model_version("v2"))
    assert company.brought("v2", "0" * 40, v2)[0] == "late v2"


def test_a_record_of_an_earlier_head_of_the_branch(company: Company) -> None:
    """A card was mended after the run: the key, and so the record, stayed what it was."""
    company.merge("late v1 card", {"models/late/v1/README.md": "# card\n"})
    mended = company.merge("late v2", model_version("v2"), {"models/late/v2/README.md": "# v2\n"})
    v2 = company.repository.log(mended, limit=2)[1].id
    company.merge("other v1", model_version("v1", "other"))
    again = company.merge("late v2 again", {"models/late/v2/model.py": "# better\n"})
    assert "late v2 again" in company.brought("v2", v2, again)
    assert set(company.brought("v2", v2, again)) <= {"late v2 again", "late v2"}
    assert company.brought("v2", again, again) == []


def test_of_branches_on_top_of_each_other_the_first_brought_a_head(tmp_path: Path) -> None:
    """A later branch that contains the head was merged, too; what came between counts."""
    company = Company(tmp_path / "forge.git", SquashingForge)
    v2 = company.merge("late v2", model_version("v2"), {"models/late/v2/README.md": "# v2\n"})
    record = company.repository.log(v2, limit=2)[1].id
    better = company.merge("late v2 helper", {"models/late/v2/helper.py": "# better\n"})
    head = company.repository.commit("stacked", v2, {"x": b"1"}, "stacked", "ada")
    company.forge.merge(company.forge.open("stacked", "main", "stacked", "").number, head)
    assert company.brought("v2", record, better) == ["late v2 helper"]


class CountingForge(SquashingForge):
    """Counts the pages that it is asked for."""

    pages = 0

    def find(
        self,
        state: PullRequestState | None = None,
        label: str | None = None,
        source: str | None = None,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[PullRequestSummary]:
        self.pages += 1
        return super().find(state, label, source, before=before, limit=limit)


def test_pull_requests_are_read_only_as_far_back_as_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One page where the newest is the one; none where main itself tells."""
    monkeypatch.setattr(changelog, "PAGE", 2)
    company = Company(tmp_path / "forge.git", CountingForge)
    for number in range(7):
        company.merge(f"card {number}", {"models/late/v1/README.md": f"# {number}\n"})
    v2 = company.merge("late v2", model_version("v2"))
    assert isinstance(company.forge, CountingForge)
    begin = company.repository.resolve("main")
    assert company.brought("v2", begin, begin) == []
    assert company.forge.pages == 0
    assert company.brought("v2", v2, v2) == []
    assert company.forge.pages == 2
