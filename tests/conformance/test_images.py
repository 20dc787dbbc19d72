"""What every image builder does: in memory, as directories, and in a Docker engine.

Recipes are those that planning makes, of a small repository and an engine in memory.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bighead_ci.definitions.lock_file import HEADER
from bighead_ci.definitions.shared_locks import lock_naming, shared_path
from bighead_ci.docker_engine import connect
from bighead_ci.documents.base import digest_of_bytes
from bighead_ci.documents.image import ImageRef
from bighead_ci.documents.inputs import Target
from bighead_ci.errors import BugError, InputError
from bighead_ci.images.containers import ContainerImageBuilder, Place
from bighead_ci.images.process import ProcessImageBuilder
from bighead_ci.images.python_environments import PythonEnvironments
from bighead_ci.ports.images import ImageBuilder
from bighead_ci.ports.progress import silent
from fakes.docker_bench import base_image, remove_images, why_no_base
from fakes.engine import MemoryEngine
from fakes.images import MemoryImages
from fakes.memory_tree import MemoryTree
from fakes.recipes import CODE, ENGINE, FOLDER, OWN, TARGETS, installable_lock, late_recipe, late_tree

pytestmark = pytest.mark.timeout(900)  # whoever comes first makes a base image
NOTHING: Mapping[str, str] = {}


class Bench:
    """Builders of one kind that keep their images apart, and a way to lose an image."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self.directory = directory
        self.made = 0
        self.containers: list[ContainerImageBuilder] = []

    def builder(self, engine: MemoryEngine = ENGINE) -> ImageBuilder:
        """Another machine."""
        if self.kind == "memory":
            return MemoryImages(engine)
        self.made += 1
        directory = self.directory / str(self.made)
        if self.kind == "container":
            self.containers.append(ContainerImageBuilder(connect(), Place(directory, base_image()), engine))
            return self.containers[-1]
        return ProcessImageBuilder(directory / "images", engine, PythonEnvironments(directory / "environments"))

    def clean(self) -> None:
        """Leave no image in an engine that outlives the test."""
        for builder in self.containers:
            remove_images(connect(), builder)

    def lose(self, builder: ImageBuilder, image: ImageRef) -> None:
        """The image is gone, or no longer whole."""
        if isinstance(builder, MemoryImages):
            del builder.held[image.reference]
        elif isinstance(builder, ContainerImageBuilder):
            connect().images.remove(builder.name_in_engine(image.reference), force=True)
        else:
            assert isinstance(builder, ProcessImageBuilder)
            shutil.rmtree(builder.root / image.reference.rpartition(":")[2])

    def built(self, target: Target, changes: Mapping[str, str] = NOTHING, engine: MemoryEngine = ENGINE) -> ImageRef:
        """An image by a machine that has no other."""
        tree = late_tree(changes)
        return self.builder(engine).ensure(late_recipe(tree, target, engine), tree, silent)


@pytest.fixture(params=["memory", "process", "container"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "container" and (reason := why_no_base()):
        pytest.skip(f"NOT RUN, images in a Docker engine are not held to the builder's promises here: {reason}")
    bench = Bench(request.param, tmp_path)
    yield bench
    bench.clean()


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_holds_all_that_its_recipe_names(bench: Bench, target: Target) -> None:
    """The version's lock and code and the engine's part, each by the digest of its content; its manifest says so."""
    builder, tree = bench.builder(), late_tree()
    recipe = late_recipe(tree, target)
    found = builder.find(builder.ensure(recipe, tree, silent).reference)
    assert found is not None
    assert (found.key, found.target, found.model, found.version) == (recipe.key, target, "late", "v1")
    assert (found.python, found.lock) == (ENGINE.python, digest_of_bytes(installable_lock().encode()))
    start = "entry_points/serving.py" if target == "serve" else "entry_points/stages/train.py"
    wanted = [tree.content[f"{FOLDER}/{name}"] for name in (OWN[target], *CODE)]
    wanted += [ENGINE.read(path) for path in ("errors.py", start)]
    assert {digest_of_bytes(content) for content in wanted} <= {*found.files.values()}


@pytest.mark.parametrize("target", TARGETS)
def test_what_an_image_is_made_of_is_in_its_key_and_its_reference(bench: Bench, target: Target) -> None:
    """Another lock, code file or part of the engine: another image. What it is not made of makes no other."""
    before, satisfied = bench.built(target), installable_lock()
    other = next(lock for lock in OWN.values() if lock != OWN[target])
    for name in (*CODE, OWN[target]):
        text = satisfied + "# more\n" if name.endswith(".lock") else '[{"distance": 300}]'
        after = bench.built(target, {name: text})
        assert (after.key != before.key, after.reference != before.reference) == (True, True), name
    unread = {"README.md": "# Other\n", "run.yaml": "as_of: 2013-11-01T00:00:00Z\n", other: satisfied + "# more\n"}
    assert bench.built(target, unread) == before
    seen = {"serve": "entry_points/serving.py", "train": "entry_points/stages/train.py"}
    for one, path in seen.items():
        after = bench.built(target, engine=ENGINE.edited(path))
        same = one != target
        assert (after.key == before.key, after.reference == before.reference) == (same, same), path


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_from_a_lock_that_is_shared_is_that_of_the_whole_lock(bench: Bench, target: Target) -> None:
    """Under one key and one reference: the image holds all pins in one file and names no other."""
    satisfied = installable_lock()
    shared = late_tree({OWN[target]: lock_naming(satisfied.encode()).decode()})
    tree = MemoryTree({**shared.content, shared_path(satisfied.encode()): satisfied.encode()})
    whole = late_tree({OWN[target]: f"{HEADER}nothing\n{satisfied}"})
    builder, other = bench.builder(), bench.builder()
    image = builder.ensure(late_recipe(tree, target), tree, silent)
    assert image == other.ensure(late_recipe(whole, target), whole, silent)
    found = builder.find(image.reference)
    assert found is not None
    assert found.lock == digest_of_bytes(f"{HEADER}nothing\n{satisfied}".encode())


def test_a_shared_lock_that_is_not_the_recipes_is_refused(bench: Bench) -> None:
    """It was edited, or is gone: its readers compare it with its name."""
    satisfied = installable_lock()
    path, named = shared_path(satisfied.encode()), late_tree({"serving.lock": lock_naming(satisfied.encode()).decode()})
    recipe = late_recipe(MemoryTree({**named.content, path: satisfied.encode()}))
    for content in (named.content, {**named.content, path: satisfied.encode() + b"# more\n"}):
        with pytest.raises(InputError, match="models/_locks/"):
            bench.builder().ensure(recipe, MemoryTree(content), silent)


def test_two_machines_give_one_reference(bench: Bench) -> None:
    """The same recipe, the same files: the same image under the same name."""
    assert bench.built("serve") == bench.built("serve")
    assert bench.built("serve").reference != bench.built("train").reference


def test_what_was_built_is_not_built_again(bench: Bench) -> None:
    """Of each key; and it is said when something is built."""
    builder, tree, other = bench.builder(), late_tree(), late_tree({"model.py": "def build(parameters): 1\n"})
    said: list[str] = []
    first = builder.ensure(late_recipe(tree), tree, said.append)
    once = len(said)
    second = builder.ensure(late_recipe(other), other, said.append)
    twice = len(said)
    assert 0 < once < twice
    assert [builder.ensure(late_recipe(one), one, said.append) for one in (tree, other)] == [first, second]
    assert len(said) == twice


def test_a_lost_image_is_not_found_and_is_built_again(bench: Bench) -> None:
    """The same comes out; other images are where they were."""
    builder, tree = bench.builder(), late_tree()
    image, other = (builder.ensure(late_recipe(tree, target), tree, silent) for target in TARGETS)
    bench.lose(builder, image)
    assert builder.find(image.reference) is None
    assert builder.find(other.reference) is not None
    assert builder.ensure(late_recipe(tree, "train"), tree, silent) == image
    assert builder.find(image.reference) is not None


def test_a_reference_of_nothing_is_of_no_image(bench: Bench) -> None:
    """Neither before the first image nor beside one, nor by the digest of one under another name."""
    builder, tree = bench.builder(), late_tree()
    nowhere = f"local/late@sha256:{'3' * 64}"
    assert builder.find(nowhere) is None
    image = builder.ensure(late_recipe(tree), tree, silent)
    assert builder.find(nowhere) is None
    for other in (image.reference.replace("late@", "early@"), f"elsewhere/{image.reference}"):
        assert builder.find(other) is None, other


@pytest.mark.parametrize("name", [*CODE, "serving.lock"])
def test_a_tree_that_is_not_the_recipes_is_refused(bench: Bench, name: str) -> None:
    """An image never holds what its key does not name: no other file, and none missing."""
    tree, path = late_tree(), f"{FOLDER}/{name}"
    recipe = late_recipe(tree)
    changed = {**tree.content, path: tree.content[path] + b"\n"}
    for content in (changed, {one: data for one, data in tree.content.items() if one != path}):
        with pytest.raises(BugError, match=name):
            bench.builder().ensure(recipe, MemoryTree(content), silent)


def test_an_engine_that_is_not_the_recipes_is_refused(bench: Bench) -> None:
    """It was upgraded between plan and build."""
    tree = late_tree()
    builder = bench.builder(ENGINE.edited("errors.py"))
    with pytest.raises(BugError, match=r"errors\.py"):
        builder.ensure(late_recipe(tree), tree, silent)


def test_a_lock_with_problems_names_the_lines(bench: Bench) -> None:
    """All of them, by the lock's path; the recipe alone does not read it."""
    lock, whole = f"{FOLDER}/serving.lock", late_tree()
    tree = MemoryTree({**whole.content, lock: b"onnx>=1\npillow==11.*\n"})
    with pytest.raises(InputError) as raised:
        bench.builder().ensure(late_recipe(whole), tree, silent)
    assert [(p.file, p.line) for p in raised.value.problems] == [(lock, 1), (lock, 2)]


def test_an_image_is_found_by_its_key(bench: Bench) -> None:
    """Of the model that it is of, as long as it is there: keys are the same for every builder, references are not."""
    builder, tree = bench.builder(), late_tree()
    recipe = late_recipe(tree)
    assert builder.built("late", recipe.key) is None
    image = builder.ensure(recipe, tree, silent)
    assert builder.built("late", recipe.key) == image
    assert builder.built("early", recipe.key) is None
    bench.lose(builder, image)
    assert builder.built("late", recipe.key) is None


def test_what_is_kept_can_be_let_go(bench: Bench) -> None:
    """One image by its reference: the others stay; letting go twice is no error, and asking for it builds it again."""
    builder, tree = bench.builder(), late_tree()
    assert dict(builder.kept()) == {}
    train, serve = (builder.ensure(late_recipe(tree, target), tree, silent) for target in TARGETS)
    assert {name: one.key for name, one in builder.kept().items()} == {one.reference: one.key for one in (train, serve)}
    builder.remove(train.reference)
    builder.remove(train.reference)
    assert {*builder.kept()} == {serve.reference}
    assert (builder.built("late", train.key), builder.built("late", serve.key)) == (None, serve)
    assert builder.ensure(late_recipe(tree, "train"), tree, silent) == train


def test_the_bill_of_an_image_names_its_libraries_and_files(bench: Bench) -> None:
    """CycloneDX; of an image that is not there, there is none."""
    builder, tree = bench.builder(), late_tree()
    image = builder.ensure(late_recipe(tree), tree, silent)
    bill = json.loads(builder.bill(image.reference))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "late"
    kinds = {one["type"] for one in bill["components"]}
    assert "file" in kinds
    assert bench.kind == "memory" or "packaging" in {one["name"] for one in bill["components"]}
    assert bench.kind != "container" or "container" in kinds
    with pytest.raises(InputError, match="there is no image"):
        builder.bill(image.reference.replace("late@", "early@"))
