"""`/api/choices/...`: what the page's fields offer while somebody types, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from flask import Blueprint, Response, jsonify, request

from link_generator.apps import APPS
from link_generator.choices import MOST, Choice, Choices, fitting
from link_generator.env_part import split_env


def add_views(views: Blueprint, choices: Choices) -> None:
    """Each takes `q`, what was typed so far."""

    def given(name: str) -> str:
        return request.args.get(name, "").strip()

    @views.get("/api/choices/environments")
    def environments() -> Response:
        return answer(choices.environments())

    @views.get("/api/choices/versions")
    def versions() -> Response:
        offer = choices.versions(split_env(given("env"))[0])
        return answer(offer.choices, offer.note)

    @views.get("/api/choices/branches")
    def branches() -> Response:
        offer = choices.branches(given("repo"))
        return answer(offer.choices, offer.note)

    @views.get("/api/choices/files")
    def files() -> Response:
        offer = choices.files(given("repo"), given("branch"))
        return answer(offer.choices, offer.note, inside=given("only"))

    @views.get("/api/choices/apps")
    def apps() -> Response:
        env, tag = split_env(given("env"))
        missing = choices.apps(env, given("version") or tag)
        return jsonify(
            apps=[{"name": n, "label": APPS[n].label, "why": missing[n]} for n in missing]
        )


def answer(choices: Sequence[Choice], note: str = "", *, inside: str = "") -> Response:
    found = fitting(choices, request.args.get("q", ""), inside=inside)
    shown = [asdict(one) for one in found[:MOST]]
    return jsonify(choices=shown, more=len(found) - len(shown), note=note)
