"""What runs is taken over after a restart of anything: its room, its route, its end."""

from __future__ import annotations

import logging
from collections.abc import Collection

from launcher.database import DatabaseTrouble
from launcher.session import Session, session_token
from launcher.sessions.sessions import Sessions

log = logging.getLogger(__name__)


def take_stock(sessions: Sessions) -> None:
    """After a restart, before anybody is let in: what runs already takes its room."""
    agreed(sessions)


def reattach(sessions: Sessions) -> None:
    """After a restart: every session sees its student's folder, or is stopped."""
    warm = sessions.runtime.warm
    for session in sessions.runtime.list() if warm else ():
        if warm and session.running and not warm.is_attached(sessions.spec(session)):
            sessions.stop(session.id, why="the student's folder was gone from it")


def adopt(sessions: Sessions) -> list[Session]:
    """Make the gateway's routes agree with the sessions that run; the running ones.

    Called at start and by the reaper, so a restart of anything heals within a round.
    """
    routes = sessions.gateway.routes()  # first: one that is opened meanwhile keeps its own
    found = [one for one in agreed(sessions) if one.owner]
    running = {session.id: session for session in found if session.running}
    for session_id in routes.keys() - running.keys():
        sessions.gateway.remove_route(session_id)
    for session in running.values():
        route = routes.get(session.id)
        if (route is None or route.target != session.address) and sessions.answers(session):
            token = session_token(sessions.secret, session.id)
            sessions.gateway.add_route(session.id, session.address, session.owner, token)
    for session in found:
        if not session.running:
            end_stopped(sessions, session)
    end_removed(sessions, {session.id for session in found})
    return list(running.values())


def agreed(sessions: Sessions) -> list[Session]:
    """All sessions, with those that nobody has claimed; the account of room is corrected."""

    def everything() -> list[Session]:
        warm = sessions.runtime.warm
        nobodys = warm.list() if warm else []  # first: one that is claimed meanwhile is seen twice
        return [*nobodys, *sessions.runtime.list()]

    return sessions.queue.capacity.agree(everything)


def end_stopped(sessions: Sessions, seen: Session) -> None:
    """Clear a session away that was seen not to run, unless a launch has started it meanwhile."""
    with sessions.turns.if_free(seen.owner, seen.course) as mine:
        now = sessions.runtime.find(seen.id) if mine else None
        if mine and not (now and now.running):
            sessions.stop(seen.id, why=(now or seen).ended or "its server ended")


def end_removed(sessions: Sessions, known: Collection[str]) -> None:
    """Remember the end of sessions that somebody removed by hand: their students are told."""
    try:
        gone = [one for one in sessions.history.running() if one.id not in known]
    except DatabaseTrouble as error:
        log.warning("removed sessions are not looked for: %s", error)
        return
    for one in gone:
        with sessions.turns.if_free(one.owner, one.course) as mine:  # else a launch starts this one
            if mine and sessions.runtime.find(one.id) is None:
                sessions.stop(one.id, why="it was removed from this server")
