"""The database: whole or not at all, whoever dies or writes beside; old folders come along."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from launcher.database import Database, DatabaseTrouble
from launcher.database import database as module
from launcher.database.tables import AUDIT, METADATA, SHORT_LINK_CHANGES
from launcher.links.short_links import Change, ShortLinks
from launcher.sessions.history import History

RELEASED = Path(__file__).with_name("released")
"""Data folders as released launchers left them."""


def rows(database):
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(AUDIT))


def row(who="ann"):
    return {"at": 1.0, "who": who, "what": "tried", "target": "", "detail": ""}


def add(database, who="ann"):
    with database.write() as connection:
        connection.execute(insert(AUDIT), row(who))


def test_the_migrations_make_the_tables_that_the_code_knows(tmp_path):
    database = Database.of(tmp_path)
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_every_migration_can_be_taken_one_by_one(tmp_path):
    database = Database.of(tmp_path)
    revisions = sorted(path.name[:4] for path in (module.MIGRATIONS / "versions").glob("[0-9]*.py"))
    engine = module.create_engine(f"sqlite:///{tmp_path}/launcher.sqlite")
    module.event.listen(engine, "connect", module.prepare)
    module.event.listen(engine, "begin", module.begin)
    for revision in revisions:
        module.migrate(engine, revision)
        assert module.revision_of(engine) == revision
    engine.dispose()
    assert (rows(database), database.check()) == (0, None)


def test_a_folder_of_the_first_release_brings_its_links_and_sessions(tmp_path):
    shutil.copytree(RELEASED / "files", tmp_path / "data")
    database = Database.of(tmp_path / "data")
    link = ShortLinks(database).get("week-1")
    assert (link.title, link.opens, link.enabled, link.owner) == (
        "Week 1",
        1763890000.5,
        False,
        None,
    )
    assert link.history == (
        Change(1763880000.25, "made", "/launch?env=intro&repo=https%3A%2F%2Fg.org%2Fa&branch=dev"),
        Change(1763881000.0, "closed", "/launch?env=intro&repo=https%3A%2F%2Fg.org%2Fa"),
    )
    one = History(database).find("a1b2c3d4e5f60718293a4b5c")
    assert (one.owner, one.why, one.ended) == ("s1", "it was not used for 10 min", 1763882000.75)
    assert [found.id for found in History(database).all()] == ["a1b2c3d4e5f60718293a4b5c"]


def test_a_database_of_a_newer_launcher_is_refused(tmp_path):
    database = Database.of(tmp_path)
    add(database)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseTrouble, match="newer launcher"):
        rows(Database.of(tmp_path))


def test_an_error_in_a_block_undoes_all_of_it(tmp_path):
    database = Database.of(tmp_path)
    with contextlib.suppress(ZeroDivisionError), database.write() as connection:
        connection.execute(insert(AUDIT), row())
        _ = 1 / 0
    assert rows(database) == 0


def test_a_change_of_a_link_that_is_not_there_is_refused(tmp_path):
    change = {"slug": "none", "at": 1.0, "what": "made", "link": "/launch?", "who": ""}
    with pytest.raises(DatabaseTrouble) as trouble, Database.of(tmp_path).write() as connection:
        connection.execute(insert(SHORT_LINK_CHANGES), change)
    assert isinstance(trouble.value.__cause__, IntegrityError)


def test_many_threads_and_a_second_process_lose_no_write(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BUSY", 120.0)
    database = Database.of(tmp_path)
    add(database, "counter")

    def count():
        for _ in range(25):
            with database.write() as connection:  # read, then write: nobody comes between
                found = connection.scalar(select(AUDIT.c.at))
                connection.execute(update(AUDIT).values(at=found + 1))

    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from tests.launcher.database.test_database import *\n"
        "module.BUSY = 120.0\n"
        "database = Database.of(Path(sys.argv[1]))\n"
        "for _ in range(25):\n"
        "    with database.write() as connection:\n"
        "        found = connection.scalar(select(AUDIT.c.at))\n"
        "        connection.execute(update(AUDIT).values(at=found + 1))\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), os.getcwd()])
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(count) for _ in range(4)]:
            done.result()
    assert other.wait(120) == 0
    with database.read() as connection:
        assert connection.scalar(select(AUDIT.c.at)) == 1 + 5 * 25


def test_a_writer_that_hangs_keeps_the_others_of_its_process_no_longer_than_another_s(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "BUSY", 0.2)
    database = Database.of(tmp_path)
    add(database, "first")
    with (
        ThreadPoolExecutor(1) as threads,
        database.write(),
        pytest.raises(DatabaseTrouble, match="locked"),
    ):
        threads.submit(add, database, "second").result(timeout=60)
    add(database, "third")
    assert rows(database) == 2


def test_two_processes_that_open_a_new_folder_at_once_both_work(tmp_path):
    code = (
        "import sys; from pathlib import Path; from launcher.database import Database\n"
        "from launcher.sessions.history import History\n"
        "History(Database.of(Path(sys.argv[1]))).all()"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [one.wait(60) for one in both] == [0, 0, 0]


def test_a_writer_that_is_killed_leaves_what_it_was_told_is_written(tmp_path):
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from tests.launcher.database.test_database import *\n"
        "database = Database.of(Path(sys.argv[1]))\n"
        "while True:\n"
        "    with database.write() as connection:\n"
        "        for _ in range(20): connection.execute(insert(AUDIT), row())\n"
        "    print('20', flush=True)\n"
    )
    for _ in range(3):
        before = rows(Database.of(tmp_path))
        writer = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), os.getcwd()], stdout=subprocess.PIPE
        )
        told = 20 * len([writer.stdout.readline() for _ in range(5)])
        time.sleep(0.01)
        writer.send_signal(signal.SIGKILL)
        told += 20 * len(writer.communicate(timeout=60)[0].splitlines())
        database = Database.of(tmp_path)
        found = rows(database) - before
        assert database.check() is None
        assert found >= told
        assert found % 20 == 0, "a transaction is there in part"


def fill(database):
    while True:
        add(database, "x" * 50_000)


def test_a_full_disk_is_a_sentence_and_harms_nothing(tmp_path):
    if os.geteuid():
        pytest.skip("mounting needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        database = Database.of(disk)
        add(database, "before")
        with pytest.raises(DatabaseTrouble, match="full"):
            fill(database)
        kept = rows(database)
        assert kept >= 1
        assert database.check() is None
        database.close()
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        add(database, "after")
        assert rows(database) == kept + 1
        database.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_copy_made_while_others_write_is_whole(tmp_path):
    database = Database.of(tmp_path)
    over = threading.Event()

    def write():
        while not over.is_set():
            add(database)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        database.copy(tmp_path / "copy")
    finally:
        over.set()
        thread.join(20)
    copied = Database(tmp_path / "copy")
    assert copied.check() is None
    assert rows(copied) <= rows(database)
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0, "a backup keeps this mode"


def test_the_file_is_for_nobody_else(tmp_path):
    database = Database.of(tmp_path)
    add(database)
    assert database.file.stat().st_mode & 0o077 == 0
