"""What every authored value is, and the texts that many of them have."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, StringConstraints

from bighead_ci.documents.base import Document

DurationText = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,4}[smhd]$")]
MemoryText = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,5}[MG]iB$")]


class Definition(Document):
    """An authored value. Scalars are strict: `"3"` is not 3 and `1` is not true."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
