"""Private content: a class gets it, and no session, clone or log holds the token."""

import logging
from dataclasses import replace

import pytest

from envs.credentials import Credential
from launcher.errors import ContentNotFound

TOKEN = "s3cret-t0ken"


@pytest.mark.parametrize("attached", [True, False])
def test_the_token_stays_on_the_host(
    new_student, teacher, server, mirrors, tmp_path, caplog, attached
):
    caplog.set_level(logging.DEBUG)
    (tmp_path / "token").write_text(TOKEN)
    server.password = f"x-access-token:{TOKEN}"
    student = new_student(attaches_folders=attached)
    with pytest.raises(ContentNotFound, match="or it is private"):
        student.pull()
    known = Credential("course", server.url("course"), tmp_path / "token")
    mirrors.git = replace(mirrors.git, credentials=(known,))
    student.pull()
    student.write("a.txt", "one\ntwo\nthree\nmine\n")
    teacher.commit({"a.txt": "zero\none\ntwo\nthree\n"})
    assert student.pull().merged == ("a.txt",)
    for path in [*student.spec.home.parent.rglob("*"), *mirrors.folder.rglob("*")]:
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path
    assert TOKEN not in caplog.text
    assert TOKEN not in str(student.runtime.ran)
    assert student.git("remote", "get-url", "origin").strip() == student.url
