"""Warm sessions of an old image are replaced, those of an old launcher are taken over."""

from tests.launcher.warm.fake_warm import I1, I3, spec_of_nobody, take, until


def test_an_image_that_was_replaced_loses_its_sessions_at_once(pool, runtime):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    pool.asked.clear()
    pool.asked[I3] = 3
    until(lambda: pool.counts() == {I3: 3})
    until(lambda: {row.image for row in runtime.rows.values()} == {"i1-new"})


def test_an_image_that_was_built_again_under_its_name_has_new_sessions(pool, warm, runtime):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    warm.old = {one.id for one in pool._ready[I1][:2]}
    kept = pool._ready[I1][2].id
    pool._tidied = 0
    until(lambda: not warm.old & set(runtime.rows) and pool.counts() == {I1: 3})
    assert kept in runtime.rows


def test_one_that_a_launch_has_just_reserved_is_not_stopped_under_its_hands(
    pool, warm, runtime, monkeypatch
):
    for name in ("CALM", "IMPATIENCE"):
        monkeypatch.setattr(f"launcher.warm.pool.{name}", 3600.0)  # no other is started
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    mine = pool.reserve(I1)
    warm.old = {mine.id, pool._ready[I1][0].id}
    pool._tidy()
    until(lambda: len(runtime.rows) == 2 and not pool._ending)
    assert mine.id in runtime.rows
    pool.put_back(mine)


def test_one_that_was_given_out_while_the_pool_looked_is_the_student_s(
    pool, warm, runtime, tmp_path, monkeypatch
):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    outdated, given = warm.outdated, []

    def click_meanwhile():
        monkeypatch.undo()
        given.append(take(pool, tmp_path)[0].id)
        return outdated()

    monkeypatch.setattr(warm, "outdated", click_meanwhile)
    pool._tidied = 0
    until(lambda: given and pool.counts() == {I1: 3})
    assert runtime.rows[given[0]].owner == "s1"
    assert given[0] not in pool._mine


def test_a_killed_launcher_s_warm_sessions_are_taken_over(pool, runtime):
    left = runtime.start(spec_of_nobody(I1))
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    assert left.id in runtime.rows


def test_none_is_given_up_before_it_is_known_what_is_wanted(pool, runtime):
    left, asked = runtime.start(spec_of_nobody(I1)), []
    pool.wishes = lambda: asked.append(1)
    pool.start()
    until(lambda: pool.counts() == {I1: 1} and len(asked) > 5)
    assert left.id in runtime.rows
    pool.wishes = lambda: {I1: 2}
    until(lambda: pool.counts() == {I1: 2})
    assert left.id in runtime.rows


def test_one_that_is_claimed_while_it_is_taken_over_is_not_stopped(pool, warm, runtime, tmp_path):
    left = runtime.start(spec_of_nobody(I1))
    pool.answers = lambda session: warm.claims.setdefault(session.id, "s1") == "s1"
    pool._mine[left.id] = I1
    pool._take_over(left)
    assert left.id in runtime.rows
    assert left.id not in pool._mine
    assert pool.counts() == {}


def test_a_launcher_that_starts_takes_over_none_of_an_old_image(pool, warm, runtime):
    left = runtime.start(spec_of_nobody(I1))
    warm.old = {left.id}
    pool.start()
    until(lambda: pool.counts() == {I1: 3} and left.id not in runtime.rows)
