"""The environment of git commands whose results must depend on nobody's settings.

The engine's own calls see neither the person's nor the machine's configuration: a signing key, a hook, an ignored
`*.lock` or a diff driver there would change what they do. What a person commits is his git's own affair: where that is
the question, his settings count.
"""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Mapping

SETTINGS = {
    "core.quotePath": "off",
    "i18n.logOutputEncoding": "UTF-8",
    "log.showSignature": "false",
    "log.showRoot": "true",
    # A directory that one side renamed must not pull the other side's new files along: paths are identities here.
    "merge.directoryRenames": "false",
    # Both are read from the person's own place where no setting names another.
    "core.excludesFile": os.devnull,
    "core.attributesFile": os.devnull,
    # Bytes as they are.
    "core.autocrlf": "false",
    "core.safecrlf": "false",
    "core.fsmonitor": "false",
}
KEPT_VARIABLES = frozenset({"GIT_EXEC_PATH"})
_OF_A_REPOSITORY = frozenset({"GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE"})
"""Variables by which git, in a hook, says which repository it is about."""
TRUSTED = "safe.directory"
"""The one setting of a person or machine that counts: which repositories of others git may open."""


def git_environment() -> dict[str, str]:
    """This process's environment without what would point git elsewhere, change its words or ask somebody."""
    return _without_git(os.environ) | _settings(_trusted()) | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}


def person_environment() -> dict[str, str]:
    """This process's environment for asking what a person's own git would do: with his settings, in our words."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("GIT_CONFIG")}
    return _without_git(os.environ) | settings | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}


def _without_git(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("GIT_") or name in KEPT_VARIABLES}


def _settings(trusted: tuple[str, ...]) -> dict[str, str]:
    pairs = [*SETTINGS.items(), *((TRUSTED, directory) for directory in trusted)]
    numbered = {f"GIT_CONFIG_KEY_{n}": key for n, (key, _) in enumerate(pairs)}
    numbered |= {f"GIT_CONFIG_VALUE_{n}": value for n, (_, value) in enumerate(pairs)}
    return numbered | {
        "GIT_CONFIG_COUNT": str(len(pairs)),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }


@functools.cache
def _trusted() -> tuple[str, ...]:
    """Asked once a process, where no repository adds to it: in the root directory, and not as a hook is."""
    done = subprocess.run(
        ["git", "config", "--null", "--get-all", TRUSTED],
        cwd=os.sep,
        env={name: value for name, value in os.environ.items() if name not in _OF_A_REPOSITORY},
        capture_output=True,
        check=False,
    )
    return tuple(os.fsdecode(value) for value in done.stdout.split(b"\0") if value)
