"""`launcher env`: build environments, look at them, and choose which one a class gets."""

from __future__ import annotations

import argparse
import io
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from envs import render_r
from envs.channels import NEXT, STABLE
from envs.errors import BadEnvironment, EnvError
from envs.readers import read_recipe
from envs.readers.requirements import refers_to_repository
from envs.recipe import Recipe
from envs.render import made_files, render_dockerfile
from envs.sizes import human
from envs.version import Version
from launcher.cli import Context
from launcher.cli.base import print_unless
from launcher.cli.follow import Display, follow_build, outcome_of
from launcher.environment import environment_of
from launcher.errors import BadSettings
from launcher.in_use import HINT, why_not_ours
from launcher.people.audit import Audit, at_the_terminal
from launcher.settings.values import seconds
from link_generator.env_part import split_env
from link_generator.link import Link


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("env")
    words = parser.add_subparsers(metavar="ACTION", required=True)
    for name, handler, what, argument in (
        ("build", build, "build an environment now, before anybody clicks", "ENV@TAG"),
        ("dockerfile", dockerfile, "print the Dockerfile that would be built", "FOLDER or ENV@TAG"),
        ("lock", lock, "print the package versions of an environment that was built", "ENV@TAG"),
        ("logs", logs, "print the log of an image's newest build", "NAME or ENV@TAG"),
        ("cancel", cancel, "end a build, whichever process runs it", "NAME or ENV@TAG"),
    ):
        one = words.add_parser(name, help=what)
        one.add_argument("env", metavar=argument)
        one.set_defaults(handler=handler)
        if name == "logs":
            one.add_argument(
                "-f", "--follow", action="store_true", help="until it ends; exit code 1 if it fails"
            )
    watch_ = words.add_parser("watch", help="build what the catalogue names, again and again")
    watch_.add_argument(
        "--every", type=seconds, default=300.0, metavar="TIME", help="5m if not given"
    )
    watch_.add_argument("--once", action="store_true", help="look once; exit code 1 if one fails")
    watch_.set_defaults(handler=watch)
    promote_ = words.add_parser(
        "promote", help="let `stable` (or `next`) be another tag, once built"
    )
    promote_.add_argument("name", metavar="NAME", help="an environment of the catalogue")
    promote_.add_argument("tag", metavar="TAG", nargs="?", default="", help="else the next one")
    promote_.add_argument("--next", action="store_true", help="only offer it as `next`")
    promote_.set_defaults(handler=promote)
    rollback_ = words.add_parser("rollback", help="let `stable` be what it was before")
    rollback_.add_argument("name", metavar="NAME", help="an environment of the catalogue")
    rollback_.set_defaults(handler=rollback)
    gc_ = words.add_parser("gc", help="remove images and caches that nothing needs")
    gc_.add_argument("--dry-run", action="store_true", help="only say what would go")
    gc_.set_defaults(handler=gc)
    words.add_parser("list", help="every image and its last build").set_defaults(handler=list_)


def note(context: Context, what: str, target: str, detail: str = "") -> None:
    Audit(context.database).note(at_the_terminal(), what, target, detail)


def version_of(text: str, context: Context) -> Version:
    env, tag = split_env(text)
    link = Link(env=env, tag=tag)
    repo, ref = environment_of(link, context.config.environments.catalogue, context.parts.channels)
    return context.parts.versions.resolve(repo, ref)


def build(args: argparse.Namespace, context: Context) -> int:
    started = time.monotonic()
    version = version_of(args.env, context)
    image = context.parts.store.ensure_image(version, say=print_unless(context.json))
    took = round(time.monotonic() - started, 1)
    note(context, "environment built", args.env, image.name)
    context.show(
        {"image": image.name, "commit": version.commit, "seconds": took},
        f"{image.name} is ready after {took} s",
    )
    return 0


def promote(args: argparse.Namespace, context: Context) -> int:
    """Build the tag, and only then let links without a tag mean it."""
    channels = context.parts.channels
    if args.name not in context.config.environments.catalogue:
        raise BadEnvironment(
            f"{args.name} is not in the catalogue.", hint="Add it to `environments.catalogue`."
        )
    before = environment_of(Link(env=args.name), context.config.environments.catalogue, channels)[1]
    tag = args.tag or channels.tag(args.name, NEXT)
    if not tag or tag in (STABLE, NEXT):
        raise BadEnvironment(
            f"{args.name} has no next version to promote.",
            hint=f"Name a tag: launcher env promote {args.name} TAG.",
        )
    version = version_of(f"{args.name}@{tag}", context)
    image = context.parts.store.ensure_image(version, say=print_unless(context.json))
    if args.next:
        channels.offer(args.name, tag)
    else:
        channels.promote(args.name, tag, before)
    channel = NEXT if args.next else STABLE
    note(context, f"environment is {channel}", args.name, f"{before} -> {tag}")
    context.show(
        {"name": args.name, "channel": channel, "tag": tag, "before": before, "image": image.name},
        f"{args.name}@{channel} is {tag} now",
    )
    return 0


def rollback(args: argparse.Namespace, context: Context) -> int:
    left, tag = context.parts.channels.rollback(args.name)
    note(context, "environment rolled back", args.name, f"{left} -> {tag}")
    context.show(
        {"name": args.name, "channel": STABLE, "tag": tag, "before": left},
        f"{args.name}@{STABLE} is {tag} again, no longer {left}",
    )
    return 0


def watch(args: argparse.Namespace, context: Context) -> int:
    """Build each environment of the catalogue as soon as its tag or branch names a new commit.

    For machines that no webhook reaches; one that cannot be built does not hold up the others.
    """
    catalogue = context.config.environments.catalogue
    if not catalogue:
        raise BadSettings(
            "The settings name no environment.", hint="Add one to `environments.catalogue`."
        )
    while True:
        failed = 0
        for name in catalogue:
            try:
                version = version_of(name, context)
                image = context.parts.store.ensure_image(version, say=print_unless(context.json))
                context.show({"name": name, "image": image.name}, f"{name}: {image.name} is ready")
            except EnvError as error:
                failed += 1
                context.show(
                    {"name": name, "error": error.message, "hint": error.hint},
                    f"{name}: {error.message} {error.hint}".rstrip(),
                )
        if args.once:
            return 1 if failed else 0
        time.sleep(args.every)


def list_(_args: argparse.Namespace, context: Context) -> int:
    images = context.parts.runtime.images.list_images()
    builds = {build.name: build for build in context.parts.store.records.all()}
    rows = [
        {**asdict(image), "labels": dict(image.labels), "build": asdict(builds[image.name])}
        if image.name in builds
        else {**asdict(image), "labels": dict(image.labels), "build": None}
        for image in images
    ]
    failed = [b for name, b in builds.items() if b.outcome == "failed"]
    lines = [f"{image.name:44} {image.ref:12} {image.repo}" for image in images]
    lines += [f"{b.name:44} {b.ref:12} FAILED: {b.error}" for b in failed]
    context.show(
        {"images": rows, "failed": [asdict(b) for b in failed]},
        "\n".join(lines) or "No environment is built yet.",
    )
    return 0


def logs(args: argparse.Namespace, context: Context) -> int:
    store, name = context.parts.store, args.env
    if not (name.startswith("env/") and store.records.newest(name)):
        *_, name = store.plan(version_of(args.env, context))
    text, build = store.records.log(name), store.records.newest(name)
    if build is None:
        raise BadEnvironment(
            f"{args.env} was never built here.", hint="See `launcher env list` for what was."
        )
    if not args.follow:
        context.show({"log": text.splitlines()}, text.rstrip("\n"))
        return 0
    out = io.StringIO() if context.json else sys.stdout
    build = follow_build(store, name, Display(out, terminal=out.isatty())) or build
    text = store.records.log(name)
    context.show({"log": text.splitlines(), "build": asdict(build)}, outcome_of(build))
    return 0 if build.outcome == "built" else 1


def gc(args: argparse.Namespace, context: Context) -> int:
    from launcher.parts import create_cleanup  # imports what not all commands need

    if not args.dry_run and (why := why_not_ours(context.config, context.parts.secret)):
        raise BadSettings(why, hint=HINT)
    gone = create_cleanup(context.parts).run(dry_run=args.dry_run)
    lines = [f"{one.what:14} {one.name} {human(one.size)}" for one in gone]
    if gone and not args.dry_run:
        note(context, "images cleaned up", "", f"{len(gone)} removed")
    done = "would go" if args.dry_run else "removed"
    context.show(
        {"removed": [asdict(one) for one in gone], "dry_run": args.dry_run},
        "\n".join([*lines, f"{len(gone)} {done}" if gone else "Everything here is needed."]),
    )
    return 0


def cancel(args: argparse.Namespace, context: Context) -> int:
    store = context.parts.store
    name = args.env if args.env.startswith("env/") else store.plan(version_of(args.env, context))[2]
    if not store.cancel(name):
        raise BadEnvironment(
            f"{args.env} is not being built now.", hint="`launcher env list` shows what was built."
        )
    note(context, "build cancelled", name)
    context.show({"image": name, "cancelled": True}, f"The build of {name} ends now")
    return 0


def lock(args: argparse.Namespace, context: Context) -> int:
    store = context.parts.store
    name = args.env if args.env.startswith("env/") else store.plan(version_of(args.env, context))[2]
    build = store.records.newest(name)
    text = store.builder.lock(name) or (store.records.lock(build.repo, name) if build else "")
    if not text:
        raise BadEnvironment(
            f"{args.env} was not built here, or by a Dockerfile that keeps no list.",
            hint="Build it with `launcher env build`.",
        )
    context.show({"image": name, "packages": text.splitlines()}, text.rstrip("\n"))
    return 0


def dockerfile(args: argparse.Namespace, context: Context) -> int:
    source = Path(args.env)
    if not source.is_dir():
        source = context.parts.store.source(version_of(args.env, context))
    recipe = read_recipe(source)
    made = "".join(
        f"# {path}: {line}\n"
        for path, content in made_files(recipe).items()
        if not path.endswith(".py")
        for line in content.splitlines()
    )
    text = made + dockerfile_of(recipe, source, context)
    context.show({"dockerfile": text, "recipe": asdict(recipe)}, text.rstrip("\n"))
    return 0


def dockerfile_of(recipe: Recipe, source: Path, context: Context) -> str:
    """What the engine would get; where there is none, what another machine's engine would."""
    if recipe.kind == "dockerfile":
        return (source / recipe.dockerfile).read_text("utf-8")
    if text := context.parts.store.builder.dockerfile(recipe, source=source):
        return text
    needs = refers_to_repository(source, recipe)
    settings = context.config.base
    cran = render_r.cran_url(recipe, mirror=settings.cran, snapshots=settings.cran_snapshots)
    base = f"launcher/base:{recipe.python}"
    return render_dockerfile(recipe, base=base, needs_repo=needs, cran=cran)
