"""What a Dockerfile would make the engine itself fetch, which no wall holds back. No I/O here.

Read as BuildKit reads it, and where its versions differ, or a heredoc may have ended, each way:
https://github.com/moby/buildkit/blob/master/frontend/dockerfile/parser/parser.go
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from envs.builder import Say
from envs.errors import BadEnvironment
from launcher.runtimes.docker.context import arguments, filled

SYNTAX = re.compile(r"\s*(#|//)\s*syntax\s*=", re.IGNORECASE)
ESCAPE = re.compile(r"\s*#\s*escape\s*=", re.IGNORECASE)
SPACE = "[\t\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
"""What Go takes for white space: Python would take more."""
SKIPPED = re.compile(f"{SPACE}*(#|$)")
"""Comments and empty lines: they end nothing that goes on."""
GOES_ON = re.compile(r"[\\`][ \t]*$")
"""At the end of a line that may go on in the next; a backtick where a directive says so."""
SURELY = re.compile(r"(?<!\\)\\[ \t]*$")
BEGINS = re.compile(r"\s*[OAFCR\\`]", re.IGNORECASE)
"""A line that may begin an ONBUILD, ADD, FROM, COPY or RUN, of which more may be in the next."""
BEGUN = re.compile(
    r"FROM[ \t]+(?:--platform=[\w/${}.-]+[ \t]+)?([\w./:@${}-]+)([ \t]+AS[ \t]+(\w[\w.-]*))?[ \t]*",
    re.ASCII | re.IGNORECASE,
)
"""A FROM that is read in one way only: its image, and the name of the stage."""
TEXTS = re.compile(
    r"\s*(RUN|COPY|ADD)(\s+(<<-?([\"']?)[a-z][a-z0-9]*\4|[\w./:=,@%+*>&|;~-]+))+\s*", re.I | re.A
)
"""An instruction that may have heredocs, by names that every version takes, and nothing else of
which may be read as one."""
HEREDOC = re.compile(r"\s<<(-?)[\"']?(\w+)", re.A)
ADDED = re.compile(r"\s*(?:ONBUILD\s+)?ADD\s+(.*)", re.DOTALL | re.IGNORECASE)
PLAIN_FLAG = re.compile(r"--[\w=:./,@%+~${}-]*", re.ASCII)
TAKES = re.compile(r"[ \t]*(?:ONBUILD[ \t]+)?(?:COPY|RUN)(?=[ \t])", re.IGNORECASE)
FLAGS = re.compile(r"(?:[ \t]*--[\w=:./,@%+~${}-]*(?=[ \t\r]|$))*", re.ASCII)
"""What a COPY or RUN begins with, where that is read in one way only."""
TAKEN = re.compile(r"((?:--|--mount=|--mount=\S*,)from=)([^\s,]+)", re.IGNORECASE)
"""The stage or image that such a flag names."""
FROM_KEY = re.compile(r"[=,]from=", re.IGNORECASE)
"""Of several in one --mount, BuildKit takes the last."""
MOST = 3_000_000
"""Characters of instructions that are looked at; where it is unsure, a line is in several."""


def without_syntax_line(lines: Sequence[str], say: Say) -> str:
    """The Dockerfile without `# syntax=` lines, which make the engine pull a frontend image.

    :raises BadEnvironment: it is JSON, which may name a frontend, too.
    """
    clean = [line.lstrip("\ufeff") for line in lines]
    above = 0
    while above < len(clean) and re.match(r"\s*(#|//|$)", clean[above]):
        above += 1
    kept = [*(line for line in clean[:above] if not SYNTAX.match(line)), *clean[above:]]
    if len(kept) < len(clean):
        say("Note: the Dockerfile's `# syntax=` line is left out; the engine's own builder is used")
    text = "\n".join(kept) + "\n"
    if text.lstrip().startswith("{"):
        raise BadEnvironment("The Dockerfile is JSON.", hint="Write it as Docker's manual has it.")
    return text


def refuse_downloads(text: str) -> None:
    """Refuse what ADD would download.

    :raises BadEnvironment: an ADD names an address, or hides in a variable whether it does.
    """
    for instruction in instructions(text.split("\n")):
        added = ADDED.match(instruction)
        for word in sources(added[1]) if added else ():
            if re.search(r"[$:@\\]", word.partition("/")[0]):
                raise BadEnvironment(
                    f"The Dockerfile lets ADD fetch {word}, and nothing keeps the engine itself "
                    "from private addresses.",
                    hint="Fetch it in a RUN line, with curl or wget; COPY takes files.",
                )


def refuse_triggers(triggers: Iterable[str]) -> None:
    """Refuse what the ONBUILD of an image would download or take from another image.

    :raises BadEnvironment: as above, or one has several lines, which its author can make any.
    """
    for then in triggers:
        if re.search(r"[\r\n]", then):
            raise BadEnvironment("An ONBUILD of the image has several lines.")
        refuse_downloads(then)
        refuse_taken(then, {"scratch"})


def beginning_with(text: str, find: Callable[[str], str], *, heredocs: bool) -> str:
    """The Dockerfile with its images by the names that `find` gives them.

    Those that it begins with, and those that COPY and RUN take files from.

    `heredocs` says that the engine reads them: to one that does not, their lines are instructions.

    :raises BadEnvironment: an engine might read one of them in another way.
    """
    known = arguments(re.split(r"^\s*FROM\s", text, maxsplit=1, flags=re.M | re.I)[0])
    lines, stages, written = text.split("\n"), {"scratch"}, set[str]()
    inside = in_heredocs(lines) if heredocs else set()
    escapes = ("\\", "`") if any(map(ESCAPE.match, lines)) else ("\\",)
    goes_on = False
    for number, line in enumerate(lines):
        if number in inside or SKIPPED.match(line):
            continue
        begun = BEGUN.fullmatch(line.strip(" \t\r"))
        if begun:
            image = filled(begun[1], known)
            named = image if image.lower() in stages else find(image)
            lines[number] = f"FROM {named}{begun[2] or ''}"
            written.add(lines[number])
            # The text of another instruction is looked at, too, but its stage may be none.
            if begun[3] and not goes_on:
                stages.add(begun[3].lower())
        goes_on = line.rstrip(" \t\r").endswith(escapes)
    taken = taking_from(lines, stages, find, inside=inside)
    outside = [line for number, line in enumerate(lines) if number not in inside]
    for instruction in instructions(outside):
        refuse_taken(instruction, stages | taken)
        words = instruction.split()
        # Anything else is none for an engine: a line of a program, like `from os import path`.
        begins = len(words) > 1 and words[0].upper() == "FROM" and instruction not in written
        if begins and (len(words) == 2 or words[1].startswith("-") or words[2].upper() == "AS"):
            raise BadEnvironment(
                f"The Dockerfile's `{instruction.strip()[:100]}` is not plainly written.",
                hint="Write it in one line: FROM, the image's name, and AS with a name if needed.",
            )
    return "\n".join(lines)


def taking_from(
    lines: list[str],
    stages: AbstractSet[str],
    find: Callable[[str], str],
    *,
    inside: AbstractSet[int],
) -> set[str]:
    """Have COPY and RUN take files from images by the names that `find` gives them.

    Those names; only flags that are plainly written are changed.
    """
    found, goes_on = dict[str, str](), False

    def named(one: re.Match[str]) -> str:
        if is_stage(one[2], stages):
            return one[0]
        if one[2] not in found:
            found[one[2]] = find(one[2])
        return one[1] + found[one[2]]

    for number, line in enumerate(lines):
        if number in inside or (goes_on and SKIPPED.match(line)):
            continue
        begun = TAKES.match(line)
        begin = 0 if goes_on else begun.end() if begun else -1
        goes_on = False
        if begin >= 0:
            flags = FLAGS.match(line, begin)
            end = flags.end() if flags else begin
            lines[number] = line[:begin] + TAKEN.sub(named, line[begin:end]) + line[end:]
            goes_on = bool(re.fullmatch(r"[ \t]*\\[ \t\r]*", line[end:]))
    return {one.lower() for one in found.values()}


def is_stage(name: str, stages: AbstractSet[str]) -> bool:
    """True for what the Dockerfile makes itself; a number is one of its stages, too."""
    return name.lower() in stages or name.isdecimal()


def refuse_taken(instruction: str, known: AbstractSet[str]) -> None:
    """Refuse an instruction that may take files from an image that was not looked at.

    :raises BadEnvironment: it is not plainly written, or a --mount names several.
    """
    # As Go splits it: Python would also split at \x1c to \x1f, which may be within a flag.
    words = [word for word in re.split(f"{SPACE}+", instruction) if word]
    if words and words[0].upper() == "ONBUILD":
        words = words[1:]
    if not words or words[0].upper() not in ("COPY", "RUN"):
        return
    flags = list(itertools.takewhile(lambda word: word.startswith("--"), words[1:]))
    if any(len(FROM_KEY.findall(flag)) > 1 for flag in flags):
        raise BadEnvironment(
            f"The Dockerfile's `{instruction.strip()[:100]}` names two images in one --mount.",
            hint="Write one from= in each --mount.",
        )
    plain = all(map(PLAIN_FLAG.fullmatch, flags))
    if plain:
        hidden = any(not is_stage(one[2], known) for one in TAKEN.finditer(" ".join(flags)))
    else:
        hidden = "from=" in re.sub(r"[\\`\"']", "", instruction).lower()
    if hidden:
        raise BadEnvironment(
            f"The Dockerfile's `{instruction.strip()[:100]}` is not plainly written.",
            hint="Begin a stage with the image, FROM image AS name, and take files from name.",
        )


def in_heredocs(lines: Sequence[str]) -> set[int]:
    """The numbers of lines that are surely the text of a heredoc, up to the first doubt."""
    found, number, goes_on = set[int](), 0, False
    if any(map(ESCAPE.match, lines)):
        return found
    while number < len(lines):
        line = lines[number]
        number += 1
        if SKIPPED.match(line):
            continue
        plain = not goes_on and TEXTS.fullmatch(line)
        if "<<" in line and not plain:
            break
        goes_on = bool(GOES_ON.search(line))
        for tabs, word in HEREDOC.findall(line):
            begin = number
            while number < len(lines) and lines[number].strip() != word:
                number += 1
            if number == len(lines) or lines[number].lstrip("\t" if tabs else "") != word:
                return found
            found.update(range(begin, number))
            number += 1
    return found


def instructions(lines: Sequence[str]) -> Iterator[str]:
    """What may be an ADD, with all that may belong to it, joined with nothing between.

    A line too many hides nothing: only the last word of an ADD may be anything.

    :raises BadEnvironment: it takes too long to look at.
    """
    sure = not any("<<" in line or ESCAPE.match(line) for line in lines)
    lines = [line for line in lines if not SKIPPED.match(line)]
    looked, inside = 0, False
    for first, line in enumerate(lines):
        if BEGINS.match(line) and not (inside and sure):
            parts = list[str]()
            for number in range(first, len(lines)):
                looked += len(lines[number]) + 1
                parts.append(GOES_ON.sub("", lines[number]))
                if parts[-1] == lines[number]:
                    break
                if looked > MOST:
                    raise BadEnvironment("Too many lines of the Dockerfile go on in the next.")
            yield "".join(parts)
        inside = bool(SURELY.search(line))


def sources(files: str) -> list[str]:
    """What an ADD takes, as words: all but its flags and its last one, where that goes.

    Every part of it where engines may differ in what is a word.
    """
    words = [word for word in re.split(r"[\t\v\f\r ]+", files) if word]
    flags = list[str]()
    while words and words[0].startswith("--"):
        flags.append(words.pop(0))
    rest, plain = " ".join(words), all(map(PLAIN_FLAG.fullmatch, flags))
    if plain and not rest.startswith("["):
        return words[:-1]
    names, end = listed(rest)
    if plain and names and not rest[end:].strip():
        return names[:-1]
    return [*names, *re.split(r"[\s\[\]\"',]+", files)]


def listed(text: str) -> tuple[list[str], int]:
    """The strings of a JSON list that the text begins with, and where that ends."""
    try:
        found, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return [], 0
    strings = isinstance(found, list) and all(isinstance(one, str) for one in found)
    return (found, end) if strings else ([], 0)
