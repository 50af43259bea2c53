"""The whole app with something on every page: real parts, but for the engine and the gateway."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlencode

from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from envs.errors import BuildFailed
from envs.halt import NO_HALT
from envs.store import Store
from launcher.app import create_app
from launcher.config import load_config
from launcher.homes.home import course_name
from launcher.machine.ports import free_port
from launcher.parts import create_parts
from launcher.people import identity
from launcher.people.people import People, Role
from tests.envs.fake_builder import FileBuilder
from tests.fakes import FakeGateway, HereRuntime
from tests.git_server import GitServer, Repo
from tests.waiting import wait_for

FAILS = (
    "[1/3] FROM launcher/base:3.11",
    "[2/3] RUN uv pip install --requirements requirements.txt",
    "error: No solution found when resolving dependencies",
    "  cause: Because nosuch was not found in the package registry and you require nosuch",
)


@dataclass
class Builder(FileBuilder):
    """Lasts until the test's end where `slow` is asked for, and fails as uv does for `nosuch`."""

    may_end: threading.Event = field(default_factory=threading.Event)

    def build(self, name, recipe, *, source, labels, say, halt=NO_HALT, cache=""):
        wanted = (source / "requirements.txt").read_text()
        for line in FAILS if "nosuch" in wanted else FAILS[:2]:
            say(line)
        if "slow" in wanted:
            assert self.may_end.wait(3600)
        if "nosuch" in wanted:
            raise BuildFailed("[2/3] RUN uv: exit code: 1")
        return super().build(name, recipe, source=source, labels=labels, say=say)


class EveryPage:
    """A launcher whose one place is taken, so that who clicks next stands in line."""

    def __init__(self, root: Path) -> None:
        (root / "git").mkdir()
        (root / "images").mkdir()
        self.git = GitServer(root / "git")
        for name, wanted in (("env", "six==1\n"), ("broken", "six\nnosuch\n"), ("slow", "slow\n")):
            Repo.create(self.git.root / name, {"requirements.txt": wanted}, tag="v1")
        self.teacher = Repo.create(self.git.root / "course", {"week1.ipynb": "{}", "a.txt": "1\n"})
        Repo.create(self.git.root / "old-course", {"a.txt": "1\n"})
        self.git.start()
        self.builder = Builder(root / "images", packages="six==1\n")
        self.status = serve(Response("{}", content_type="application/json"))
        self.port = free_port()
        self.app = self._app(root)
        self.server = serve(self.app, self.port)
        self.student, self.other, self.eager = (identity.new_student() for _ in range(3))
        self.admin = People(self.parts.database).add("ann", Role.ADMIN)
        self._fill()

    def _app(self, root: Path):
        catalogue = {
            name: {"repo": self.git.url(repo), "tag": "v1", "title": name.capitalize()}
            for name, repo in (("intro", "env"), ("broken", "broken"), ("slow", "slow"))
        }
        config = load_config(
            data=str(root / "data"),
            runtime="local",
            public_url=self.url,
            git__hosts=[self.git.host],
            environments__catalogue=catalogue,
            capacity__sessions=1,
            queue__grace="1h",
            content__fresh="0s",
            session__disk="1M",
            web__launches_per_student=6,
            web__launches_per_address=0,
        )
        runtime = HereRuntime(f"http://127.0.0.1:{self.status.port}", images=self.builder)
        parts = create_parts(config)
        store = Store(config.data / "builds", self.builder, parts.git, poll=0.01)
        self.parts = replace(parts, runtime=runtime, store=store)
        return create_app(self.parts, gateway=FakeGateway())

    def _fill(self) -> None:
        """What a student and an instructor did before somebody looks at the pages."""
        old = self.click(self.student, repo=self.git.url("old-course"))
        self.stopped = old["session"]
        self.post(self.student, f"/sessions/{self.stopped}/stop")
        self.session = self.click(self.student, repo=self.git.url("course"))["session"]
        course = course_name(self.git.url("course"))
        home = self.parts.homes.path(self.student, course)
        (home / "course/a.txt").write_text("1\nmine\n")
        self.teacher.commit({"a.txt": "0\n1\n", "b.txt": "new\n"})
        self.post(self.student, f"/sessions/{self.session}/update")
        (home / "large.bin").write_bytes(b"x" * 2_000_000)
        kept = self.client(self.student).get(f"/api/sessions/{self.session}/snapshots").json
        self.snapshot = kept["folders"][0]["snapshots"][0]["id"]
        self.click(self.eager, env="broken@v1")
        for number in range(6):
            self.client(self.eager).get(self.link(path=f"{number}.ipynb"))
        bearer = {"Authorization": f"Bearer {self.admin}"}
        mine = self.app.test_client()
        url = self.url + self.link()
        for slug, more in (("week-1", {}), ("week-2", {"opens": "2099-11-24T10:00"})):
            made = mine.post(
                "/api/links", json={"slug": slug, "url": url, "title": slug} | more, headers=bearer
            )
            assert made.status_code == 201, made.text
        planned = {"env": "intro", "students": "5", "at": "2099-11-24T10:00"}
        assert mine.post("/api/classes", json=planned, headers=bearer).status_code == 201

    def link(self, **more: str) -> str:
        fields = {"env": "intro@v1", "repo": self.git.url("course")} | more
        return f"/launch?{urlencode(fields)}"

    def client(self, student: str):
        client = self.app.test_client()
        client.set_cookie(identity.COOKIE, self.cookie(student))
        return client

    def cookie(self, student: str) -> str:
        return identity.sign_student(self.parts.secret, student)

    def click(self, student: str, **more: str):
        """The end of a launch."""
        client = self.client(student)
        first = client.get(self.link(**more), headers={"Accept": "application/json"}).json
        place = f"/api/launches/{first['id']}"

        def end():
            said = client.get(place).json
            return said if said["url"] or said["error"] else None

        return wait_for(end, 180)

    def post(self, student: str, path: str) -> None:
        client = self.client(student)
        csrf = client.get("/api/sessions").json["csrf"]
        assert client.post(path, data={"csrf": csrf}).status_code == 303

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.builder.may_end.set()
        for server in (self.server, self.status):
            server.shutdown()
            server.server_close()
        self.git.stop()


def serve(app, port: int = 0):
    server = make_server("127.0.0.1", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
