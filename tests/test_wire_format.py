"""The reader of protobuf's wire format, against the library's own."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import UninterpretedOption
from google.protobuf.empty_pb2 import Empty
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.wire_format import fields

OPTIONS = st.builds(
    UninterpretedOption,
    name=st.lists(st.builds(UninterpretedOption.NamePart, name_part=st.text(), is_extension=st.booleans()), max_size=3),
    identifier_value=st.text() | st.none(),
    positive_int_value=st.integers(0, 2**64 - 1) | st.none(),
    negative_int_value=st.integers(-(2**63), -1) | st.none(),
    double_value=st.floats(allow_nan=False) | st.none(),
    string_value=st.binary() | st.none(),
)


def by_the_library(message: bytes) -> list[tuple[int, Any]]:
    """What protobuf finds in a message that none of its fields is known of."""
    found = UnknownFieldSet(Empty.FromString(message))
    return [
        (one.field_number, one.data.to_bytes(8, "little") if one.wire_type == 1 else one.data)  # a fixed64 as it stands
        for one in found
    ]


@given(OPTIONS)
def test_fields_are_those_the_library_reads(option: UninterpretedOption) -> None:
    """Numbers of any size, texts, bytes, nested and repeated messages, in the order written."""
    assert list(fields(option.SerializeToString())) == by_the_library(option.SerializeToString())


@given(OPTIONS, st.data())
def test_a_message_that_is_cut_off_is_refused(option: UninterpretedOption, data: st.DataObject) -> None:
    """Where the library refuses what is left of one, so does the reader."""
    whole = option.SerializeToString()
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        expected = by_the_library(cut)
    except Exception:  # noqa: BLE001 - protobuf's own, whose place changes between its releases
        with pytest.raises(ValueError, match="cut off"):
            list(fields(cut))
    else:
        assert list(fields(cut)) == expected


@pytest.mark.parametrize("message", [b"\x0b\x0c", b"\x08" + b"\xff" * 10 + b"\x01"])
def test_what_is_no_message_is_refused(message: bytes) -> None:
    """Groups, which nothing writes any more, and numbers without an end."""
    with pytest.raises(ValueError, match=r"wire type|too long"):
        list(fields(message))
