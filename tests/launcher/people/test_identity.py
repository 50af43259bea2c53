"""Identity: a cookie names one student, and only the launcher can make one."""

from concurrent.futures import ThreadPoolExecutor

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
