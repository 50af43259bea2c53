"""https by certificate files: new files count without a restart, plain http leads there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from dataclasses import replace

import aiohttp
import pytest
import requests

from launcher.config import load_config
from launcher.doctor.network import way_in
from launcher.errors import BadSettings
from launcher.gateway.process import GatewayFailed, ensure_gateway
from launcher.gateway.tls import Certificate
from launcher.machine.ports import free_port
from launcher.people import identity
from tests.certificates import make_certificate
from tests.launcher.gateway.conftest import OWNER, SESSION
from tests.launcher.gateway.test_probes import cookie


@pytest.fixture(scope="module")
def tls(tmp_path_factory, backend):
    """A gateway with a certificate, and the folder of its files."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = make_certificate(folder)
    plain = free_port()
    settings = folder / "settings.yml"
    settings.write_text(
        f"data: {folder / 'data'}\nlisten: 127.0.0.1:0\npublic_url: https://class.example\n"
        f"tls: {{cert_file: {cert}, key_file: {key}, redirect: '127.0.0.1:{plain}', "
        f"challenges: {folder}}}\n"
    )
    config = load_config(settings)
    secret = identity.load_secret(config.data)
    running = ensure_gateway(config, secret)
    running.client.set_app(backend.url)
    running.client.add_route(SESSION, backend.url, OWNER, "jupyter-token")
    yield running, cert, f"http://127.0.0.1:{plain}", cookie(secret)
    running.stop()


def test_pages_and_websockets_come_by_https(tls):
    running, cert, _, mine = tls
    assert running.url.startswith("https://")
    answer = requests.get(f"{running.url}/s/{SESSION}/x", headers=mine, verify=cert, timeout=30)
    assert answer.json()["headers"]["X-Forwarded-Proto"] == "https"
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"

    async def scene():
        trust = ssl.create_default_context(cafile=cert)
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(
                f"{running.url}/s/{SESSION}/socket", headers=mine, ssl=trust
            ) as there,
        ):
            await there.receive_str(timeout=30)
            await there.send_str("hello")
            said = await there.receive_str(timeout=30)
        await asyncio.sleep(0.25)  # aiohttp ends a TLS connection only behind `close`
        return said

    assert asyncio.run(scene()) == "hello"


def test_plain_http_is_sent_to_the_public_address_whatever_host_it_names(tls):
    _, _, plain, _ = tls
    answer = requests.get(
        f"{plain}/launch?env=a%2Fb", headers={"Host": "evil.example"}, allow_redirects=False
    )
    assert answer.status_code == 308
    assert answer.headers["Location"] == "https://class.example/launch?env=a%2Fb"
    assert "Strict-Transport-Security" not in answer.headers


def test_what_proves_the_host_name_is_served_by_plain_http(tls):
    _, cert, plain, _ = tls
    folder = cert.parent / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    (folder / "tok-EN_1").write_text("tok-EN_1.thumbprint")
    there = f"{plain}/.well-known/acme-challenge"
    answer = requests.get(f"{there}/tok-EN_1", allow_redirects=False, timeout=30)
    assert (answer.status_code, answer.text) == (200, "tok-EN_1.thumbprint")
    (folder / "link").symlink_to(cert)
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    for name in ("none", "link", "pipe", "folder"):
        answer = requests.get(f"{there}/{name}", allow_redirects=False, timeout=30)
        assert answer.status_code == 404, name
    for path in ("", "/", "/..%2f..%2fcert.pem", "/a.b", "/tok-EN_1/x"):
        answer = requests.get(f"{there}{path}", allow_redirects=False, timeout=30)
        assert answer.status_code == 308, path


def test_old_protocols_and_plain_text_on_the_tls_port_are_refused(tls):
    running, _, _, _ = tls
    port = int(running.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b"200" not in line.recv(1000)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as line,
        pytest.raises(ssl.SSLError),
    ):
        old.wrap_socket(line)


def test_new_files_count_and_broken_ones_do_not(tmp_path, caplog):
    cert, key = make_certificate(tmp_path)
    loaded = Certificate(cert, key)
    assert not loaded.reload()
    first = shown(loaded)
    assert first == cert.read_text()
    key.write_text("broken")
    assert not loaded.reload()
    assert "cannot be used" in caplog.text
    assert shown(loaded) == first
    key.unlink()
    assert not loaded.reload()
    make_certificate(tmp_path)
    assert loaded.reload()
    assert shown(loaded) == cert.read_text() != first


def shown(certificate):
    """The certificate that a new connection is shown, as PEM."""

    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    visitor = client.wrap_bio(here, there)
    server = certificate.context.wrap_bio(there, here, server_side=True)
    for side in (visitor, server, visitor):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return ssl.DER_cert_to_PEM_cert(visitor.getpeercert(binary_form=True))


@pytest.mark.parametrize("setting", ["listen", "tls.redirect"])
def test_a_port_that_is_taken_is_named_with_its_setting(tmp_path, setting):
    cert, key = make_certificate(tmp_path)
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port, free = taken.getsockname()[1], free_port()
        listen, redirect = (port, free) if setting == "listen" else (free, port)
        settings = tmp_path / "settings.yml"
        settings.write_text(
            f"data: {tmp_path / 'data'}\nlisten: 127.0.0.1:{listen}\n"
            "public_url: https://class.example\n"
            f"tls: {{cert_file: {cert}, key_file: {key}, redirect: '127.0.0.1:{redirect}'}}\n"
        )
        config = load_config(settings)
        said = f"127.0.0.1:{port}, as `{setting}` says: Address already in use"
        with pytest.raises(GatewayFailed, match=said):
            ensure_gateway(config, identity.load_secret(config.data))
        found = {one.name: one.level for one in way_in(config, None, "")}
    assert found["port"] == ("FAIL" if setting == "listen" else "ok")
    assert found["port of tls.redirect"] == ("ok" if setting == "listen" else "FAIL")


def test_a_certificate_that_is_none_is_named(tmp_path):
    cert, key = make_certificate(tmp_path)
    other, _ = make_certificate(tmp_path / "other")
    config = load_config(data=str(tmp_path / "data"), listen="127.0.0.1:0")
    wrong = replace(config, tls=replace(config.tls, cert_file=other, key_file=key))
    with pytest.raises(GatewayFailed, match="certificate"):
        ensure_gateway(wrong, identity.load_secret(config.data))
    assert cert.exists()


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("tls: {cert_file: CERT}", "go together"),
        ("tls: {cert_file: CERT, key_file: KEY}\npublic_url: http://h", "https"),
        ("tls: {cert_file: /nowhere}", "there is no file"),
        ("tls: {challenges: /nowhere}", "mkdir -p /nowhere"),
        (
            "public_url: https://h\ntls: {cert_file: CERT, key_file: KEY, challenges: /tmp}",
            "nothing listens",
        ),
        ("trusted_proxies: [nonsense]", "nonsense"),
    ],
)
def test_settings_that_make_no_sense_are_named(tmp_path, lines, sentence):
    cert, key = make_certificate(tmp_path)
    file = tmp_path / "settings.yml"
    file.write_text(lines.replace("CERT", str(cert)).replace("KEY", str(key)))
    with pytest.raises(BadSettings, match=sentence):
        load_config(file)
