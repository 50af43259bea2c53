"""People with roles: a token is shown once, replaced when lost, and ends with its owner's role."""

import pytest

from launcher.database import Database
from launcher.people.audit import Audit
from launcher.people.people import BadUser, People, Role


@pytest.fixture
def people(tmp_path):
    return People(Database.of(tmp_path))


def test_a_token_names_its_user_and_is_nowhere_in_the_folder(people, tmp_path):
    token = people.add("ann", Role.ADMIN)
    assert people.with_token(f" {token}\n").name == "ann"
    assert people.with_token(token).is_admin
    assert people.with_token(token + "x") is None
    assert people.with_token("") is None
    people.database.close()
    assert not any(token.encode() in path.read_bytes() for path in tmp_path.iterdir())


def test_a_new_token_ends_the_old_one_and_the_sign_ins_with_it(people):
    old = people.add("ann", Role.INSTRUCTOR)
    mark = people.with_token(old).mark
    assert people.signed_in("ann", mark).name == "ann"
    new = people.renew("ann")
    assert people.with_token(old) is None
    assert people.signed_in("ann", mark) is None
    assert people.with_token(new).name == "ann"
    people.remove("ann")
    assert people.with_token(new) is None
    assert people.all() == []


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "a" * 65, "a\n"])
def test_what_cannot_be_a_name_is_refused(people, name):
    with pytest.raises(BadUser):
        people.add(name, Role.ADMIN)


def test_a_name_is_somebodys_only_once_and_an_unknown_one_nobodys(people):
    people.add("ann", Role.ADMIN)
    with pytest.raises(BadUser, match="already"):
        people.add("ann", Role.INSTRUCTOR)
    for change in (people.renew, people.remove):
        with pytest.raises(BadUser, match="no user 'bob'") as wrong:
            change("bob")
        assert wrong.value.hint == "Known: ann."


def test_the_audit_log_is_newest_first_and_survives_a_user(people):
    audit = Audit(people.database)
    people.add("ann", Role.ADMIN)
    audit.note("ann", "link made", "week-1", "/launch?x")
    audit.note("root (command line)", "user removed", "ann")
    people.remove("ann")
    assert [(one.who, one.what, one.target) for one in audit.last()] == [
        ("root (command line)", "user removed", "ann"),
        ("ann", "link made", "week-1"),
    ]
    assert len(audit.last(1)) == 1
