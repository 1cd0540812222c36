"""What the pods' images are made of, and when they are made anew."""

from __future__ import annotations

from pathlib import Path

from e2e.installation import image
from imaging import index, recipes


def test_a_build_reaches_the_package_index_as_pip_does_here_and_the_environment_wins() -> None:
    listed = "\n".join(
        (
            ":env:.cert='/etc/ssl/own.crt'",
            ":env:.default-timeout='180'",
            "global.cert='/etc/ssl/other.crt'",
            "global.index-url='https://packages.example/simple'",
            "user.disable-pip-version-check='1'",
        )
    )
    assert index.parse(listed) == {"cert": "/etc/ssl/own.crt", "index-url": "https://packages.example/simple"}


def test_an_image_is_made_anew_when_its_base_a_file_or_a_file_s_rights_change(tmp_path: Path) -> None:
    file = tmp_path / "main.py"
    file.write_text("print(1)\n")
    file.chmod(0o644)
    keys = [recipes.key("base", [file]), recipes.key("base", [file])]
    assert keys[0] == keys[1]
    keys.append(recipes.key("another", [file]))
    file.chmod(0o755)
    keys.append(recipes.key("base", [file]))
    file.write_text("print(2)\n")
    keys.append(recipes.key("base", [file]))
    assert len(set(keys)) == 4


def test_the_tests_install_the_images_that_are_built() -> None:
    built = [recipe.image for recipe in recipes.all_of("base")]
    assert {image(part) for part in ("sidecar", "controller", "memgraph")} < set(built)


def test_an_image_is_built_after_the_one_it_stands_on() -> None:
    built = [recipe.image for recipe in recipes.all_of("base")]
    for recipe in recipes.all_of("base"):
        if recipe.dockerfile is not None:
            bases = [line.split()[1] for line in recipe.dockerfile.read_text().splitlines() if line.startswith("FROM ")]
            for base in bases:
                if base in built:
                    assert built.index(base) < built.index(recipe.image)
    assert built.index("localhost/memgraph-ha-controller:test") < built.index("localhost/memgraph-simulated:test")
