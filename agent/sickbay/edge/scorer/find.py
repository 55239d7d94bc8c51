"""This finds the file that a model's name or path in the configuration means."""

from pathlib import Path

import sickbay
from sickbay.errors import ModelFileError

_PACKAGE = Path(sickbay.__file__).parent


def resolve(name_or_path: str, base: Path) -> Path:
    """This returns the model's file: a name is one that ships with sickbay, anything else a path from `base`.

    A word without a slash and without ".tflite" is a name. `base` is the folder of the configuration file. Raises
    ModelFileError that tells where was looked.
    """
    if not name_or_path or "\0" in name_or_path:
        raise ModelFileError(f"{name_or_path!r} is no model's name or path")
    is_name = "/" not in name_or_path and not name_or_path.endswith(".tflite")
    if is_name:
        file = f"{name_or_path}.tflite"
        looked = [_PACKAGE / "models" / file, _PACKAGE.parent.parent / "models" / file]  # installed; a source tree
    else:
        looked = [base / Path(name_or_path).expanduser()]
    for path in looked:
        try:
            if path.is_file():
                return path
        except OSError:
            continue
    places = " and ".join(str(path) for path in looked)
    ships = sorted({p.stem for path in looked for p in path.parent.glob("*.tflite")}) if is_name else []
    mend = f" There are: {', '.join(ships)}" if ships else ""
    raise ModelFileError(f'model "{name_or_path}" was not found; looked at {places}.{mend}')
