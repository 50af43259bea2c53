"""Identity: a cookie names one student, and only the launcher can make one."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from launcher.errors import SecretGone
from launcher.people.identity import load_secret, new_student, read_student, sign_student

SECRET = b"s" * 32


def test_a_signed_cookie_names_its_student():
    student = new_student()
    assert read_student(SECRET, sign_student(SECRET, student)) == student


def test_nothing_else_does():
    signed = sign_student(SECRET, "alice")
    assert read_student(SECRET, None) is None
    assert read_student(SECRET, "alice") is None
    for changed in range(len(signed) - 1):  # the last character holds bits that mean nothing
        forged = signed[:changed] + ("A" if signed[changed] != "A" else "B") + signed[changed + 1 :]
        assert read_student(SECRET, forged) is None
    assert read_student(b"x" * 32, signed) is None


def test_the_secret_is_made_once_even_by_many_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: load_secret(tmp_path / "data"), range(20)))
    assert len(found) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret.key"]


def test_a_secret_that_is_gone_is_not_replaced_beside_students_folders(tmp_path):
    first = load_secret(tmp_path)
    (tmp_path / "homes").mkdir()
    (tmp_path / "secret.key").rename(tmp_path / "away")
    assert load_secret(tmp_path) != first, "nobody has used it"
    (tmp_path / "secret.key").unlink()
    (tmp_path / "homes" / new_student()).mkdir()
    with pytest.raises(SecretGone, match="students' folders"):
        load_secret(tmp_path)
    assert not (tmp_path / "secret.key").exists()
    (tmp_path / "away").rename(tmp_path / "secret.key")
    assert load_secret(tmp_path) == first


@pytest.mark.parametrize("text", ["", "abcd", "no hex at all", "\x00"])
def test_a_damaged_secret_signs_nothing(tmp_path, text):
    (tmp_path / "secret.key").write_text(text)
    with pytest.raises(SecretGone, match="is damaged"):
        load_secret(tmp_path)
