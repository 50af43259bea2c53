"""Whether a class fits, said before it comes, from measured memory. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass

from envs.sizes import human
from launcher.room.capacity import Capacity
from launcher.room.measured import environment_of_image

FITS, TIGHT, TOO_MANY = "fits", "tight", "too many"
COMFORT = 0.85
"""Of the memory for sessions; a class that needs more leaves little for anybody else."""


@dataclass(frozen=True)
class Forecast:
    """What the memory plan says of so many students."""

    verdict: str
    students: int
    most: int
    """The largest number that fits."""
    reserve: int
    """Bytes that are set aside for each."""
    memory: int
    """Bytes for all sessions."""
    measured: int
    """Sessions of the environment that were measured; with few, the settings' figure counts."""
    sentence: str


def forecast(capacity: Capacity, image: str, students: int) -> Forecast:
    """Whether so many sessions of the image fit when nothing else runs."""
    plan, reserve = capacity.plan, capacity.reserve(image)
    most, need = capacity.most(image), students * capacity.reserve(image)
    known = len(capacity.measured.peaks(environment_of_image(image)))
    believed = capacity.measured.usual(environment_of_image(image)) is not None
    if students > most:
        verdict = TOO_MANY
    elif need > COMFORT * plan.memory and most > 1:
        verdict = TIGHT
    else:
        verdict = FITS
    basis = (
        f"nine of ten sessions of it stayed below that, of {known} measured"
        if believed
        else "the setting, because too few were measured yet"
    )
    said = (
        f"{students} sessions need {human(need)}, {human(reserve)} each ({basis}); "
        f"there {'is' if plan.memory else 'are'} {human(plan.memory)} for sessions."
    )
    ends = {
        FITS: f"They fit, and up to {most} would.",
        TIGHT: f"They fit, but leave little for anybody else; up to {most} would.",
        TOO_MANY: f"At most {most} fit; the others would wait in line. {limit_of(capacity, most)}",
    }
    return Forecast(
        verdict, students, most, reserve, plan.memory, known, f"{said} {ends[verdict]}".strip()
    )


def limit_of(capacity: Capacity, most: int) -> str:
    """Which setting it is that allows no more, where it is not the memory."""
    plan = capacity.plan
    if most == plan.sessions:
        return "That is the setting capacity.sessions."
    if most == plan.per_course:
        return "That is the setting capacity.per_course."
    return ""
