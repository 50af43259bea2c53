"""`/api/openapi.json`: what programs may ask, made from the rows of `openapi.yml`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from flask import Blueprint, Response, jsonify

from launcher.people.identity import COOKIE, SECURE_COOKIE

SAFE = ("GET",)
ABOUT = (
    "A browser's cookie says which student asks; who brings none is given one, and by https its "
    f"name is {SECURE_COOKIE}. What changes "
    "something also needs the header `X-CSRF-Token` with the `csrf` of `/api/sessions`, for the "
    "same cookie. Instructors and administrators send `Authorization: Bearer TOKEN` instead, "
    "which needs neither."
)
STRING = {"type": "string"}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message"],
            "properties": dict.fromkeys(("code", "message", "hint", "field"), STRING),
        }
    },
}
WRONG = {
    "description": "What went wrong; 503 with `Retry-After` where it may pass.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
SCHEMES = {
    "student": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
    "token": {"type": "http", "scheme": "bearer"},
}


def create_blueprint() -> Blueprint:
    """The one view."""
    views = Blueprint("openapi", __name__)

    @views.get("/api/openapi.json")
    def openapi() -> Response:
        return jsonify(description())

    return views


@cache
def description() -> dict[str, Any]:
    """All that programs may ask of the app, as OpenAPI 3.0 has it."""
    said = yaml.safe_load(Path(__file__).with_name("openapi.yml").read_text("utf-8"))
    paths: dict[str, Any] = {}
    for asked, row in said["asked"].items():
        method, path = asked.split()
        paths.setdefault(path, {})[method.lower()] = operation(method, path, row, said["types"])
    return {
        "openapi": "3.0.3",
        "info": {"title": "Launcher", "version": "1", "description": ABOUT},
        "paths": paths,
        "components": {"schemas": {"Error": ERROR}, "securitySchemes": SCHEMES},
    }


def operation(
    method: str, path: str, row: Mapping[str, Any], types: Mapping[str, str]
) -> dict[str, Any]:
    """What may be asked of a path by a method."""

    def kind(name: str) -> dict[str, Any]:
        choices = {"enum": row[name]} if name in row else {}
        return {"type": types.get(name, "string"), **choices}

    in_path = [
        {"name": name, "in": "path", "required": True, "schema": kind(name)} for name in names(path)
    ]
    in_query = [
        {"name": name.rstrip("*"), "in": "query", "schema": kind(name.rstrip("*"))}
        | ({"required": True} if name.endswith("*") else {})
        for name in flat(row.get("query", ()))
    ]
    good: dict[str, Any] = {"description": "The answer."}
    if row.get("status", 200) < 300:
        good |= {"content": {row.get("type", "application/json"): {}}}
    return {
        "summary": row["say"],
        "parameters": [*in_path, *in_query],
        **body_of(row, kind),
        "responses": {str(row.get("status", 200)): good, "default": WRONG},
        "security": security(method, row.get("who", "anyone")),
    }


def body_of(row: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """What is sent along, as JSON or as a form."""
    for key, content in (
        ("body", "application/json"),
        ("form", "application/x-www-form-urlencoded"),
    ):
        if key in row:
            needed = [name.rstrip("*") for name in row[key] if name.endswith("*")]
            properties = {name.rstrip("*"): kind(name.rstrip("*")) for name in row[key]}
            schema = {"type": "object", "properties": properties}
            schema |= {"required": needed} if needed else {}
            return {"requestBody": {"content": {content: {"schema": schema}}}}
    return {}


def security(method: str, who: str) -> list[dict[str, list[str]]]:
    """How the one who asks is known."""
    if who == "anyone":
        return []
    if who == "student":
        return [{"student": []} if method in SAFE else {"student": [], "csrf": []}]
    return [{"token": []}]


def flat(listed: Iterable[Any]) -> list[str]:
    """The names, with those of lists in the list."""
    return [name for one in listed for name in (flat(one) if isinstance(one, list) else [str(one)])]


def names(path: str) -> list[str]:
    """What a path has of its own."""
    return re.findall(r"{(\w+)}", path)
