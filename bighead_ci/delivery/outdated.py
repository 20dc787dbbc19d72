"""Which finished checks no longer say anything, because main changed what they were judged by."""

from __future__ import annotations

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.merging import CHECK
from bighead_ci.delivery.release_pr import LABEL, changed_paths
from bighead_ci.documents.forge import PullRequest
from bighead_ci.documents.release import release_path
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import Progress

WORDS = "main changed what this was judged by: to be checked again"


def is_outdated(context: Context, pull: PullRequest, main: Main, judged_on: str) -> bool:
    """Whether main changed what a pull request was judged by, between a commit and the present one.

    Every judgement but that of a canary or of a way back is made by the policies. A promotion's is also about the
    environment, and about what the environment before serves: what was rolled back in staging must not go on to prod.
    """
    if judged_on == main.commit:
        return False
    changed = set(changed_paths(context, judged_on, main.commit))
    promotion = f"{LABEL}/promote" in pull.labels
    if (promotion or LABEL not in pull.labels) and any(path.startswith("policies/") for path in changed):
        return True
    if not promotion:
        return False
    _, environment, model = pull.source.split("/")
    concerned = {f"environments/{environment}/environment.yaml"}
    definition = main.desired.environments.get(environment)
    if definition is not None and definition.promotes_from:
        concerned.add(release_path(definition.promotes_from, model))
    return bool(concerned & changed)


def ask_again(context: Context, since: str, main: Main, progress: Progress) -> None:
    """Take back the verdict of each open pull request that main outdated since a commit; its checks then run again."""
    for pull in context.forge.find("open"):
        found = pull.status(CHECK)
        judged = found is not None and found.state in {"success", "failure"}
        if judged and is_outdated(context, pull, main, _judged_on(context, pull, since, main.commit)):
            progress(f"#{pull.number}: {WORDS}")
            context.forge.set_status(pull.number, CHECK, "pending", WORDS, pull.head)


def _judged_on(context: Context, pull: PullRequest, since: str, main: str) -> str:
    """The oldest main that a pull request can have been judged on: one begun on a newer main has seen that one."""
    repository = context.repository
    try:
        base = repository.merge_base(main, pull.head)
        return base if repository.merge_base(since, base) == since else since
    except InputError:
        return since  # it has no history in common with main
