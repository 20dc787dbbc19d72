"""Locks: exact pins with hashes, and every line that is not one."""

from __future__ import annotations

from bighead_ci.definitions.lock_file import HEADER, asked_for, asking_for, packages, read_pins

HASH = f"    --hash=sha256:{'0' * 64}"


def test_pins_are_read_with_their_markers() -> None:
    """Comments, continued lines, several hashes; names are normalised."""
    text = (
        "# made by uv\n"
        f"Scikit_Learn==1.9.1 ; sys_platform == 'nowhere' \\\n{HASH} \\\n{HASH}\n    # via something\n"
        f"numpy==2.4.6 \\\n{HASH}\n"
    )
    pins, problems = read_pins("training.lock", text.encode())
    assert problems == []
    assert [(pin.name, pin.version, pin.line, pin.is_for()) for pin in pins] == [
        ("scikit-learn", "1.9.1", 2, False),
        ("numpy", "2.4.6", 6, True),
    ]


def test_every_line_that_is_no_pin_is_reported() -> None:
    """All at once, with their lines: ranges, wildcards, no hash, options, addresses, nonsense."""
    bad = [
        "onnx>=1",
        "pillow==11.*",
        "pandas==2.0",
        "--index-url somewhere",
        "torch @ file:///tmp/torch.whl",
        "not a requirement at all!",
    ]
    text = "".join(f"{line} {HASH}\n" if "pandas" not in line else f"{line}\n" for line in bad)
    pins, problems = read_pins("models/x/v1/serving.lock", text.encode())
    assert pins == []
    assert [problem.line for problem in problems] == [1, 2, 3, 4, 5, 6]
    assert {problem.file for problem in problems} == {"models/x/v1/serving.lock"}


def test_a_lock_that_is_not_text_is_a_problem() -> None:
    """With the line of the first byte that is not."""
    pins, (problem,) = read_pins("training.lock", b"# fine\n\xff\n")
    assert (pins, problem.line) == ([], 2)


def test_versions_for_several_platforms_are_all_said() -> None:
    """A universal lock may pin one distribution twice."""
    text = f"numpy==1.0 ; sys_platform == 'a' \\\n{HASH}\nnumpy==2.0 ; sys_platform != 'a' \\\n{HASH}\n"
    assert packages(read_pins("", text.encode())[0]) == {"numpy": "1.0, 2.0"}


def test_what_was_asked_for_is_on_the_first_line() -> None:
    """And nothing where nothing was, or where somebody else wrote the lock."""
    assert asked_for(f"{HEADER}torch onnxscript\nnumpy==1\n".encode()) == ["torch", "onnxscript"]
    assert asked_for(f"{HEADER}nothing\n".encode()) == []
    assert asked_for(b"numpy==1\n") == []


def test_a_requirement_with_a_marker_is_one_requirement_when_it_is_read_again() -> None:
    """Spaces do not part it; a line that somebody edited and left a quote open in is read by its words."""
    asked = ["xgboost-cpu; sys_platform == 'linux'", "xgboost ; sys_platform != 'linux'", "torch", "numpy>=2,<3"]
    assert asked_for(asking_for(asked) + b"numpy==1\n") == asked
    assert asked_for(asking_for([])) == []
    assert asked_for(f"{HEADER}torch 'numpy\n".encode()) == ["torch", "'numpy"]
