"""These hold where a model's name in the configuration leads."""

from pathlib import Path

import pytest

from sickbay.edge.scorer.find import resolve
from sickbay.errors import ModelFileError
from tiny_models import unit_file


def test_a_name_is_one_that_ships() -> None:
    """`model = "generic"` works from any folder, installed or in the source tree."""
    assert resolve("generic", Path("/nowhere")).name == "generic.tflite"
    assert resolve("cooling-loop", Path("/nowhere")).is_file()


def test_a_path_is_relative_to_the_configuration_s_folder(tmp_path: Path) -> None:
    """The daemon's working folder is systemd's business, not the user's."""
    path = unit_file(tmp_path, "mine.tflite")
    assert resolve("mine.tflite", tmp_path) == resolve("./mine.tflite", tmp_path) == path
    assert resolve(str(path), Path("/nowhere")) == path


@pytest.mark.parametrize("name", ["genric", "models/none.tflite", "", "a\0b", "x" * 5000])
def test_what_is_not_found_is_said_with_where_was_looked(name: str, tmp_path: Path) -> None:
    """Half of all model faults are a wrong path."""
    with pytest.raises(ModelFileError) as caught:
        resolve(name, tmp_path)
    if name == "genric":
        assert "There are: cooling-loop, generic" in str(caught.value)
    elif name.startswith("models"):
        assert str(tmp_path / name) in str(caught.value)
