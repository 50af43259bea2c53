"""Settings: defaults are complete, wrong ones are refused by name."""

import pytest

from launcher.config import load_config, why_unreachable
from launcher.errors import BadSettings
from launcher.settings.values import seconds, size


def settings(tmp_path, text):
    path = tmp_path / "settings.yml"
    path.write_text(text)
    return path


def test_defaults_need_no_file():
    config = load_config()
    assert config.session.idle == 600
    assert config.session.memory == 1024**3
    assert config.listen == ("127.0.0.1", 8080)


def test_origins_are_compared_as_browsers_send_them(tmp_path):
    text = "web: {origins: ['https://Course.Example.org/', '*']}"
    assert load_config(settings(tmp_path, text)).web.origins == ("https://course.example.org", "*")


def test_a_class_box_needs_three_lines(tmp_path):
    text = "public_url: https://nb.example.org\nsession: {memory: 512M}\ngit: {hosts: [git.edu]}\n"
    config = load_config(settings(tmp_path, text))
    assert config.public_url == "https://nb.example.org"
    assert config.session.memory == 512 * 1024**2
    assert config.session.cpus == 1.0, "what is not named keeps its default"
    assert config.git.hosts == ("git.edu",)


@pytest.mark.parametrize(
    ("text", "names", "hint"),
    [
        ("sesion: {memory: 1G}", "`sesion`", "`session`"),
        ("session: {memroy: 1G}", "`session.memroy`", "`session.memory`"),
        ("session: 5", "`session`", ""),
        ("session: {memory: lots}", "`session.memory`", ""),
        ("session: {idle: soon}", "`session.idle`", ""),
        ("capacity: {memory: some}", "`capacity.memory`", ""),
        (
            "session: {memory: 0}",
            "`session.memory`: 0 does not mean no limit here; each session needs",
            "",
        ),
        (
            "session: {idle: 0s}",
            "`session.idle`: 0s does not mean no limit here; to keep sessions long",
            "",
        ),
        ("session: {max_age: 0}", "write 30d", ""),
        ("session: {start_timeout: 0s}", "`session.start_timeout`: 0s does not mean", ""),
        ("git: {timeout: 0}", "`git.timeout`: 0 does not mean no limit here; write how", ""),
        ("builds: {timeout: 0}", "`builds.timeout`: 0 does not mean no limit here", ""),
        ("session: {idle: 99999999d}", "`session.idle`: '99999999d' is more than 100 years", ""),
        ("homes: {keep_days: .inf}", "`homes.keep_days`: inf is no number up to 1000000", ""),
        ("homes: {keep_days: .nan}", "`homes.keep_days`", ""),
        ("content: {snapshot_days: 1.0e+30}", "`content.snapshot_days`", ""),
        ("session: {cpus: 0}", "`session.cpus`", ""),
        ("web: {origins: ['course.example.org']}", "`web.origins`", ""),
        ("web: {origins: ['https://course.example.org/book']}", "`web.origins`", ""),
        ("runtime: podman", "`runtime`", ""),
        ("public_url: example.org", "`public_url`", ""),
        ("public_url: https://example.org/hub", "`public_url`", ""),
        ("listen: nowhere", "`listen`", ""),
        ("listen: 127.0.0.1:99999", "`listen`", ""),
        ("git: {hosts: github.com}", "`git.hosts`", ""),
        ("content: {depth: true}", "`content.depth`", ""),
        ("environments: {catalogue: {intro: {tag: v1}}}", "intro needs", ""),
        ("environments: {catalogue: {intro: {repo: x, tga: v1}}}", "'tga'", ""),
        ("environments: {catalogue: {a b: {repo: x}}}", "`environments.catalogue`: no link", ""),
        ("environments: {catalogue: {gh/o/r: {repo: x}}}", "can name 'gh/o/r'", ""),
        ("environments: {catalogue: {intro@v1: {repo: x}}}", "can name 'intro@v1'", ""),
        ("base: {cran: 'https://x/$(id)'}", "`base.cran`", ""),
        ("base: {cran_snapshots: 'https://x/'}", "{date}", ""),
        ("environments: {catalogue: {a: {repo: x, builder: native}}}", "builder is", ""),
        ("environments: {catalogue: {a: {repo: x, egress: all}}}", "egress is one of", ""),
        (
            "environments: {catalogue: {intro: {repo: x, tag: 2025.10}}}",
            "`environments.catalogue`: intro: tag: 2025.1 is a number; put it in quotes",
            "",
        ),
        ("environments: {catalogue: {a: {repo: x, tag: 2025-10-01}}}", "2025-10-01 is not a", ""),
        ("environments: {catalogue: {a: {repo: x, title: 7}}}", "a: title: 7 is a number", ""),
        ("environments: {catalogue: {1.10: {repo: x}}}", "1.1 is a number; put it in quotes", ""),
        ("base: {pythons: {3.10: bookworm}}", "`base.pythons`: 3.1 is a number; put it in", ""),
        ("session: {egress: lan}", "`session.egress`", ""),
        ("session: {web_ports: [0]}", "`session.web_ports`", ""),
        ("session: {private_networks: ['10.1.2.3/24']}", "`session.private_networks`", ""),
        ("session: {private_networks: [campus]}", "`session.private_networks`", ""),
        ('docker: {network: "\'"}', "`docker.network`: \"'\" is no network's name", ""),
        ("docker: {network: ''}", "`docker.network`", ""),
        ("docker: {network: host}", "'host' is the engine's own", ""),
        ("docker: {network: 'container:other'}", "`docker.network`", ""),
        ("builds: {network: 'a b'}", "`builds.network`", ""),
        ("builds: {at_once: 0}", "`builds.at_once`", ""),
        ("builds: {route: buildkit, memory: 1G}", "`builds.route`", "auto"),
        ("base: {index_url: 'https://me:secret@host/'}", "builds.netrc_file", ""),
        ("ca_bundle: /no/such/file", "`ca_bundle`", ""),
        ("[a, b]", "key: value", ""),
        ("a: [", "not valid YAML", ""),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, text, names, hint):
    with pytest.raises(BadSettings) as caught:
        load_config(settings(tmp_path, text))
    assert names in caught.value.message
    assert hint in caught.value.hint


def test_a_file_in_another_encoding_is_said(tmp_path):
    path = tmp_path / "settings.yml"
    path.write_bytes("runtime: local\npublic_url: https://übung.example.org\n".encode("latin-1"))
    with pytest.raises(BadSettings, match="is not in UTF-8: line 2") as caught:
        load_config(path)
    assert "Save it as UTF-8" in caught.value.hint


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(BadSettings, match="cannot be read"):
        load_config(tmp_path / "none.yml")


def test_catalogue_keys_are_free(tmp_path):
    text = "environments: {catalogue: {intro-ds: {repo: gh/org/intro, tag: '1'}}}"
    config = load_config(settings(tmp_path, text))
    assert config.environments.catalogue["intro-ds"].tag == "1"


def test_repo2docker_builds_what_the_settings_leave_to_it(tmp_path):
    text = "environments: {catalogue: {r: {repo: gh/org/r, builder: repo2docker}, p: {repo: q}}}"
    environments = load_config(settings(tmp_path, text)).environments
    assert environments.delegates("https://github.com/org/r")
    assert not environments.delegates("q")
    assert load_config(environments__builder="repo2docker").environments.delegates("q")


def test_words_of_a_command_win_over_the_file(tmp_path):
    path = settings(tmp_path, "runtime: docker")
    assert load_config(path, runtime="local", session__idle="5s").runtime == "local"
    assert load_config(path, runtime=None).runtime == "docker"


@pytest.mark.parametrize(("text", "expected"), [("90", 90), ("1.5m", 90), ("250ms", 0.25)])
def test_times(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize(("text", "expected"), [(1024, 1024), ("1.5K", 1536), ("2GiB", 2 << 30)])
def test_sizes(text, expected):
    assert size(text) == expected


def test_auto_ca_bundle_follows_the_environment(tmp_path, monkeypatch):
    bundle = tmp_path / "ca.pem"
    bundle.write_text("x")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert load_config().ca_bundle == bundle
    monkeypatch.delenv("SSL_CERT_FILE")
    assert load_config().ca_bundle is None


def test_credentials_name_a_file_that_is_there(tmp_path):
    (tmp_path / "t").write_text("x")
    file = tmp_path / "settings.yml"

    def load(entry):
        file.write_text(f"git: {{credentials: {{course: {entry}}}}}\n")
        return load_config(file).git.credentials

    (found,) = load(f'{{url: "https://h/org/", token_file: {tmp_path}/t}}')
    assert (found.name, found.url, found.file) == ("course", "https://h/org/", tmp_path / "t")
    assert load(f'{{url: "git@h:org/x", key_file: {tmp_path}/t}}')[0].is_ssh
    for entry, said in (
        ('{url: "https://h/org/", token: abc}', "unknown key 'token'"),
        (f'{{url: "https://h/org/", key_file: {tmp_path}/t}}', "needs `token_file`"),
        ('{url: "https://h/org/", token_file: /nowhere}', "no file /nowhere"),
        (f'{{url: "/tmp/x", token_file: {tmp_path}/t}}', "no git address"),
        ("{}", "needs at least"),
    ):
        with pytest.raises(BadSettings, match=said):
            load(entry)


@pytest.mark.parametrize("address", ["proxy:3128", "socks5://h:1", "http://u:p@h:1"])
def test_a_proxy_that_students_can_use_is_a_plain_address(address):
    assert load_config(session__proxy="http://h:3128").session.proxy == "http://h:3128"
    with pytest.raises(BadSettings, match=r"session\.proxy"):
        load_config(session__proxy=address)


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ({"public_url": "https://class.example"}, "`tls`"),
        ({"public_url": "https://class.example", "listen": "0.0.0.0:443"}, "`tls`"),
        ({"public_url": "http://class.example"}, "`listen`"),
        ({"public_url": "http://class.example", "listen": "0.0.0.0:80"}, None),
        ({"public_url": "https://class.example", "trusted_proxies": ["127.0.0.1"]}, None),
        ({"public_url": "https://localhost"}, None),
        ({}, None),
    ],
)
def test_settings_that_keep_everybody_away_are_told(told, word):
    why = why_unreachable(load_config(**told))
    assert word in (why or "") if word else why is None
