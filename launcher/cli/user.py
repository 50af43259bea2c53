"""`launcher user add|list|token|remove`: who may do more than a student."""

from __future__ import annotations

import argparse
from typing import Any

from launcher.cli import Context
from launcher.people.audit import Audit, at_the_terminal
from launcher.people.people import People, Role


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("user")
    words = parser.add_subparsers(metavar="ACTION", required=True)
    add_ = words.add_parser("add", help="let somebody sign in; prints their token, once")
    add_.add_argument("name", metavar="NAME")
    add_.add_argument("--role", choices=[role.value for role in Role], default="instructor")
    add_.set_defaults(handler=add)
    words.add_parser("list", help="everybody with a role").set_defaults(handler=list_)
    token_ = words.add_parser("token", help="a new token; the old one ends, and sign-ins with it")
    token_.add_argument("name", metavar="NAME")
    token_.set_defaults(handler=token)
    remove_ = words.add_parser("remove", help="take the role away; their short links stay")
    remove_.add_argument("name", metavar="NAME")
    remove_.set_defaults(handler=remove)


def add(args: argparse.Namespace, context: Context) -> int:
    made = People(context.database).add(args.name, Role(args.role))
    note(context, "user added", args.name, args.role)
    return show_token(context, args.name, made)


def token(args: argparse.Namespace, context: Context) -> int:
    made = People(context.database).renew(args.name)
    note(context, "user's token replaced", args.name)
    return show_token(context, args.name, made)


def show_token(context: Context, name: str, token: str) -> int:
    where = f"{context.config.public_url}/login"
    context.show(
        {"name": name, "token": token, "sign_in": where},
        f"{token}\nThis token of {name} is shown once. They sign in with it at {where}",
    )
    return 0


def list_(_args: argparse.Namespace, context: Context) -> int:
    every = People(context.database).all()
    context.show(
        [{"name": one.name, "role": one.role, "added": one.added} for one in every],
        "\n".join(f"{one.name:32} {one.role}" for one in every) or "There is none yet.",
    )
    return 0


def remove(args: argparse.Namespace, context: Context) -> int:
    People(context.database).remove(args.name)
    note(context, "user removed", args.name)
    context.show({"removed": args.name}, f"{args.name} has no role any more")
    return 0


def note(context: Context, what: str, name: str, detail: str = "") -> None:
    Audit(context.database).note(at_the_terminal(), what, name, detail)
