"""Whose keys are trusted: what the owner put there, and what nobody else could have."""

from pathlib import Path

from sickbay.edge.orders.keys import load
from sickbay.order_wire import key_line

A, B = bytes(range(32)), bytes(range(1, 33))


def key(folder: Path, name: str, raw: bytes, mode: int = 0o644) -> str:
    path = folder / f"{name}.pub"
    path.write_text(key_line(name, raw))
    path.chmod(mode)
    return str(path)


def test_keys_are_known_by_the_hash_of_the_key_and_bear_their_name(tmp_path: Path) -> None:
    keys, wrong = load([key(tmp_path, "anna", A), key(tmp_path, "bert", B, 0o400)])
    assert [k.name for k in keys.values()] == ["anna", "bert"] and wrong == []
    assert all(id_ == k.id for id_, k in keys.items())


def test_a_file_that_others_may_write_is_nobodys_word(tmp_path: Path) -> None:
    """Who can write the file decides who gives orders."""
    for mode in (0o646, 0o664):
        keys, (says,) = load([key(tmp_path, "anna", A, mode)])
        assert not keys and f"may be written by others (mode {mode:o})" in says and "chmod go-w" in says
    file = key(tmp_path, "anna", A)
    tmp_path.chmod(0o777)
    keys, (says,) = load([file])
    assert not keys and "its folder may be written by others" in says
    tmp_path.chmod(0o1777)
    assert load([file])[1] == [], "as in /tmp: others cannot take the file away"


def test_one_key_under_two_names_and_two_keys_under_one_count_once(tmp_path: Path) -> None:
    """Two keys are to be two people: a copy of a file must not make a second one."""
    first = key(tmp_path, "anna", A)
    keys, (says,) = load([first, key(tmp_path, "bert", A)])
    assert [k.name for k in keys.values()] == ["anna"] and "passed over" in says
    other = tmp_path / "other.pub"
    other.write_text(key_line("anna", B))
    keys, (says,) = load([first, str(other)])
    assert len(keys) == 1 and "passed over" in says


def test_what_cannot_be_used_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "private").write_text(key_line("anna", A, private=True))
    (tmp_path / "bytes").write_bytes(b"\xff" * 100)
    (tmp_path / "long").write_bytes(b"a " * 1_000_000)
    files = [str(tmp_path / n) for n in ("absent", "private", "bytes", "long")]
    keys, wrong = load([*files, str(tmp_path), "/dev/zero", key(tmp_path, "bert", B)])
    assert [k.name for k in keys.values()] == ["bert"] and len(wrong) == 6
    assert "No such file" in wrong[0] and "is a private key" in wrong[1]
