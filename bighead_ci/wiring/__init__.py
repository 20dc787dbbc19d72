"""The one composition root: knows every edge, and imports each only when it is first asked for."""

from bighead_ci.wiring.contexts import (
    LocalContext,
    context,
    context_of,
    create_workspace,
    installed_engine,
    python_environments,
)

__all__ = ["LocalContext", "context", "context_of", "create_workspace", "installed_engine", "python_environments"]
