"""The proxy that the environment names, as builds get it; its password stays out of logs."""

from __future__ import annotations

import pytest

from launcher.machine.proxy import NO_PROXY, proxy_of, proxy_of_environment

NAMES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def silent(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_both_spellings_are_read_and_given(monkeypatch):
    assert proxy_of_environment() == NO_PROXY
    monkeypatch.setenv("HTTPS_PROXY", "http://u:pass%2Fword@proxy.example:3128")
    monkeypatch.setenv("no_proxy", ".example.org, 10.0.0.1")
    found = proxy_of_environment()
    assert set(found.variables) == {"https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"}
    assert found.variables["NO_PROXY"] == ".example.org,10.0.0.1,localhost,127.0.0.1,::1"
    assert found.addresses == ("http://u:pass%2Fword@proxy.example:3128",)
    said = found.hidden("http://u:pass%2Fword@proxy.example:3128 and pass/word")
    assert said == "http://u:***@proxy.example:3128 and ***"
    assert "pass" not in repr(found)


def test_an_address_without_a_scheme_gets_one():
    assert proxy_of("proxy:3128", "").variables["http_proxy"] == "http://proxy:3128"
    assert proxy_of("", "", "near") == NO_PROXY
