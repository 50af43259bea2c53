"""What the guides say is so: codes, commands, settings, and what is stored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from launcher.__main__ import COMMANDS
from launcher.database import tables
from launcher.runtimes.docker.leftovers import IMAGES
from launcher.web.errors import TABLE, UNEXPECTED

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
GUIDES = sorted(path.name for path in DOCS.glob("*.md"))
OF_HTTP = {"E-400", "E-403", "E-404", "E-405", "E-408", "E-413", "E-415", "E-429", "E-500", "E-503"}
"""What the app says of its own accord for a status without a row."""


def codes_on_pages():
    """Each code that a page, a script or an answer for programs can show."""
    found = {row.code for row in (*TABLE.values(), UNEXPECTED)}
    for kind in ("py", "html", "js"):
        for path in ROOT.glob(f"launcher/**/*.{kind}"):
            found |= set(re.findall(r"\bE-[A-Z0-9]+(?:-[A-Z0-9]+)*\b", path.read_text("utf-8")))
    for path in ROOT.glob("link_generator/**/*.py"):
        found |= set(re.findall(r'"(E-[A-Z-]+)"', path.read_text("utf-8")))
    return {code for code in found if code not in ("E-2",)}


def test_every_code_on_a_page_has_its_entry_and_no_other_has():
    said = set(re.findall(r"^## (E-\S+)$", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE))
    assert codes_on_pages() | OF_HTTP == said


def test_every_entry_says_more_than_its_code():
    text = (DOCS / "troubleshooting.md").read_text()
    for entry in text.split("\n## ")[1:]:
        assert len(entry.split()) > 5, entry


@pytest.mark.parametrize("guide", GUIDES)
def test_commands_and_settings_that_are_named_exist(guide):
    text = (DOCS / guide).read_text()
    for word in re.findall(r"launcher ([a-z]+)\b(?= |`|$)", text):
        if re.search(rf"`launcher {word}|bin/launcher {word}", text):
            assert word in COMMANDS, word
    assert not settings_that_do_not_exist(text)


PACKAGES = ("launcher", "envs", "link_generator")
CODE = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))


def test_settings_that_the_code_tells_people_of_exist():
    wrong = {path: settings_that_do_not_exist(path.read_text("utf-8")) for path in CODE}
    assert {path: found for path, found in wrong.items() if found} == {}


def settings_that_do_not_exist(text):
    """Whatever stands in backticks and begins with a section of the settings is one of them."""
    settings = yaml.safe_load((ROOT / "launcher" / "default.yml").read_text())
    return [
        f"{section}.{name}"
        for section, name in re.findall(r"`([a-z]+)\.(?!py`)([a-z_]+)`", text)
        if isinstance(settings.get(section), dict) and name not in settings[section]
    ]


def test_what_is_to_be_taken_away_has_the_names_that_it_is_made_with():
    text = (DOCS / "administration.md").read_text().split("## Take it away")[1].split("\n## ")[0]
    settings = yaml.safe_load((ROOT / "launcher" / "default.yml").read_text())
    assert f"name={settings['docker']['network']} " in text
    code = "".join(path.read_text() for path in (ROOT / "launcher/runtimes").rglob("*.py"))
    for name in ("launcher.session", "launcher.home", "launcher-cache-", "LAUNCHER-"):
        assert name in code, name
        assert name in text, name
    assert "down --rmi all`" in text, "`local` leaves images with a name, which ours has"
    assert "image: " in (ROOT / "deploy/compose.yml").read_text()
    images = re.search(r"\^\((.*?)\)/", text)
    assert set(images[1].split("|")) == {"env", "launcher", IMAGES.rstrip("/")}


@pytest.mark.parametrize("guide", GUIDES)
def test_files_that_are_named_are_there(guide):
    text = (DOCS / guide).read_text()
    for name in re.findall(r"`(deploy/[\w.-]+)`", text):
        assert (ROOT / name).is_file(), name
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (DOCS / target).exists(), target


def test_the_settings_in_the_guide_are_taken(tmp_path):
    from launcher.config import load_config

    cert = tmp_path / "file.pem"
    cert.write_text("")
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / "administration.md").read_text(), re.DOTALL)
    for block in [one for one in blocks if "scrape_configs" not in one]:
        settings = tmp_path / "settings.yml"
        block = block.replace("/etc/letsencrypt/challenges", str(tmp_path))
        settings.write_text(re.sub(r"/etc/letsencrypt/\S+", str(cert), block))
        assert load_config(settings).public_url == "https://notebooks.example.org"


def test_the_settings_of_the_readme_let_browsers_in(tmp_path):
    from launcher.config import load_config, why_unreachable

    block = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    cert, settings = tmp_path / "file.pem", tmp_path / "settings.yml"
    cert.write_text("")
    settings.write_text(re.sub(r"/etc/ssl/[\w./]+", str(cert), block[1]))
    assert why_unreachable(load_config(settings)) is None


def test_everything_that_is_stored_is_on_the_page():
    text = (DOCS / "stored-data.md").read_text()
    for table in tables.METADATA.tables:
        assert f"`{table}`" in text, f"the database's table {table}"
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "launcher").rglob("*.py"))
    folders = set(re.findall(r'(?:config\.|\b)data / "([a-z.]+)"', code))
    private = {"serve.lock", "base", "launcher.sqlite", "envs"}
    for folder in folders - private:
        assert f"`{folder}" in text, f"the data folder's {folder}"


def test_every_package_of_the_launcher_is_on_the_map():
    told = (DOCS / "architecture.md").read_text().split("## Where things are")[1].split("## ")[0]
    packages = {one.parent.name for one in (ROOT / "launcher").glob("*/__init__.py")}
    rows = [line.split("|")[1] for line in told.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)/`", "".join(rows))) == packages


def test_every_file_that_the_architecture_names_is_there():
    text = (DOCS / "architecture.md").read_text()
    for name in re.findall(r"`((?:launcher|envs|link_generator|tests)/[\w./]*(?:\.py|/))`", text):
        assert (ROOT / name).exists(), name
