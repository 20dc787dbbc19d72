"""Images in a Docker engine; what every builder does is in the conformance suite."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import ContainerError

from bighead_ci.docker_engine import connect
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.image import ImageRef
from bighead_ci.errors import InputError, RetryError
from bighead_ci.images.containers import ContainerImageBuilder, Place
from bighead_ci.ports.progress import silent
from fakes.docker_bench import another_engine, base_image, base_in, remove_images, why_no_base, why_no_other_engine
from fakes.recipes import ENGINE, late_recipe, late_tree

pytestmark = pytest.mark.timeout(900)  # whoever comes first makes a base image
PYTHON = "/opt/bighead/environment/bin/python"
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "k3y-of-the-store",
    "BIGHEAD_REDIS_PASSWORD": "w0rd-of-redis",
    "GITHUB_TOKEN": "t0ken-of-the-forge",
    "UV_INDEX_TEAM_PASSWORD": "w0rd-of-the-index",
}


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[ContainerImageBuilder]:
    if reason := why_no_base():
        pytest.skip(f"NOT RUN, no image is built in a Docker engine because {reason}")
    made = ContainerImageBuilder(connect(), Place(tmp_path / "images", base_image()), ENGINE)
    yield made
    remove_images(connect(), made)


def built(builder: ContainerImageBuilder, **changes: str) -> ImageRef:
    tree = late_tree(changes)
    return builder.ensure(late_recipe(tree), tree, silent)


def saved(client: docker.DockerClient, name: str) -> dict[str, bytes]:
    """Everything that an image is, as its engine writes it: configuration, and layers with the files in them."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(client.images.get(name).save()))) as archive:
        return {one.name: data.read() for one in archive if (data := archive.extractfile(one))}


def test_two_engines_give_one_digest(builder: ContainerImageBuilder, tmp_path: Path) -> None:
    """Of the same recipe and base, at another time, with data roots and contexts of their own."""
    if reason := why_no_other_engine():
        pytest.skip(f"NOT RUN, two engines are not compared because {reason}")
    first = built(builder)
    with another_engine() as address:
        client = connect(address)
        place = Place(tmp_path / "others", base_in(client), address=address)
        second = built(ContainerImageBuilder(client, place, ENGINE))
    assert first == second


def test_no_secret_of_the_build_is_in_an_image(
    builder: ContainerImageBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither in a layer nor in the configuration, as they are or in base64; nor a path of this machine."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    written = saved(connect(), builder.name_in_engine(built(builder).reference))
    assert any(b"/opt/bighead/environment" in data for data in written.values())
    hidden = [*SECRETS.values(), *(base64.b64encode(one.encode()).decode() for one in SECRETS.values())]
    for secret in (*hidden, str(tmp_path)):
        assert [name for name, data in written.items() if secret.encode() in data] == [], secret


def test_an_image_runs_as_nobody_on_a_root_that_it_cannot_write(builder: ContainerImageBuilder) -> None:
    """With its own environment and engine, and nothing of the base's Python packages."""
    program = (
        "import json, os, sys, packaging, bighead_ci.errors; "
        "print(json.dumps([os.getuid(), os.getgid(), sys.prefix, packaging.__file__, bighead_ci.errors.__file__]))"
    )
    said = connect().containers.run(
        builder.name_in_engine(built(builder).reference),
        ["-c", program],
        entrypoint=[PYTHON],
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        remove=True,
    )
    environment = "/opt/bighead/environment"
    packaging = f"{environment}/lib/python{ENGINE.python}/site-packages/packaging/__init__.py"
    assert json.loads(said) == [65534, 65534, environment, packaging, "/opt/bighead/engine/bighead_ci/errors.py"]


def test_nothing_in_an_image_can_be_written_by_who_runs_it(builder: ContainerImageBuilder) -> None:
    """Also where the root is writable."""
    name = builder.name_in_engine(built(builder).reference)
    for file in ("environment/pyvenv.cfg", "engine/bighead_ci/errors.py", "model/model.py", "new"):
        with pytest.raises(ContainerError, match="PermissionError"):
            connect().containers.run(
                name, ["-c", f"open('/opt/bighead/{file}', 'a')"], entrypoint=[PYTHON], network_mode="none", remove=True
            )


def test_a_base_of_another_python_is_refused(builder: ContainerImageBuilder) -> None:
    """Before anything is installed: the lock and the engine's part are for the other one."""
    engine, tree = ENGINE.on_python("3.99"), late_tree()
    other = ContainerImageBuilder(connect(), builder.place, engine)
    with pytest.raises(InputError, match=rf"models/late/v1: the base .* has Python {ENGINE.python}, .* on 3\.99"):
        other.ensure(late_recipe(tree, engine=engine), tree, silent)


def test_without_a_base_nothing_is_built(builder: ContainerImageBuilder) -> None:
    """The message says where one is named."""
    other = ContainerImageBuilder(connect(), Place(builder.place.root, None), ENGINE)
    with pytest.raises(InputError, match=r"models/late/v1: neither the environment nor .*environment: base"):
        built(other)


def test_a_version_brings_its_own_base(builder: ContainerImageBuilder) -> None:
    """Where the environment has none, or another one."""
    other = ContainerImageBuilder(connect(), Place(builder.place.root, None), ENGINE)
    tree = late_tree()
    recipe = late_recipe(tree).model_copy(update={"base": base_image()})
    image = other.ensure(recipe, tree, silent)
    assert connect().images.get(other.name_in_engine(image.reference)).labels["bighead.key"] == recipe.key
    remove_images(connect(), other)


def test_debian_packages_are_installed_beside_the_base(builder: ContainerImageBuilder) -> None:
    """Those that the version asks for; one that Debian does not have stops the build by name."""
    tree = late_tree()
    recipe = late_recipe(tree).model_copy(update={"packages": ["libgomp1"], "key": digest_of("with a package")})
    try:
        image = builder.ensure(recipe, tree, silent)
    except RetryError as error:
        pytest.skip(f"NOT RUN, no Debian package is installed in an image because Debian is not reached: {error}")
    name = builder.name_in_engine(image.reference)
    program = "import ctypes; print(ctypes.CDLL('libgomp.so.1').omp_get_max_threads() > 0)"
    said = connect().containers.run(name, ["-c", program], entrypoint=[PYTHON], network_mode="none", remove=True)
    assert said == b"True\n"
    other = recipe.model_copy(update={"packages": ["libgomp-of-nobody"], "key": digest_of("with another")})
    with pytest.raises(InputError, match="Unable to locate package libgomp-of-nobody"):
        builder.ensure(other, tree, silent)


def test_a_lock_that_does_not_resolve_in_the_base_says_so(builder: ContainerImageBuilder) -> None:
    """By the lock's path, with the installer's words and what the base is."""
    lock = f"packaging==24.2 \\\n    --hash=sha256:{'0' * 64}\n"
    with pytest.raises(
        InputError, match=r"models/late/v1/serving\.lock: cannot be installed[\s\S]*Python 3\.[0-9]+ on "
    ):
        built(builder, **{"serving.lock": lock})


def test_an_engine_that_does_not_answer_is_tried_again_later() -> None:
    """It may come back."""
    with pytest.raises(RetryError, match="no Docker engine answers"):
        connect("unix:///nowhere/docker.sock")
