"""The log of a build: plain, timed, and never endless."""

from __future__ import annotations

from envs.build_log import LARGEST, LogWriter, plain, read_log_lines


def write(place, *lines):
    said = []
    with LogWriter(place, said.append) as log:
        for line in lines:
            log.write(line)
    return said


def test_each_line_has_its_time_and_the_file_holds_only_the_text(tmp_path):
    said = write(tmp_path, "one", "two\nthree")
    assert said == ["one", "two", "three"]
    assert (tmp_path / "log.txt").read_text() == "one\ntwo\nthree\n"
    lines = read_log_lines(tmp_path)
    assert [(line.number, line.text) for line in lines] == [(1, "one"), (2, "two"), (3, "three")]
    assert all(0 <= line.at < 60 for line in lines)


def test_a_line_that_is_being_written_is_not_shown_and_a_time_may_lack(tmp_path):
    (tmp_path / "log.txt").write_text("one\ntwo\nthr")
    (tmp_path / "times.txt").write_text("0.10\n")
    known = [(line.text, line.at) for line in read_log_lines(tmp_path)]
    assert known == [("one", 0.1), ("two", None)]
    assert read_log_lines(tmp_path / "none") == ()


def test_what_strangers_print_cannot_move_a_terminal():
    assert plain("\x1b[31mred\x1b[0m \x1b]0;title\x07\tok\x00\x9b") == "red \tok"
    assert plain(" 10 %\r 90 %\r100 %\r") == "100 %"
    assert plain("Größe ✓ 日本") == "Größe ✓ 日本"
    assert len(plain("x" * 100_000)) < 5000


def test_a_log_has_an_end_and_still_says_how_the_build_ended(tmp_path):
    seen = []
    with LogWriter(tmp_path, seen.append) as log:
        for _ in range(LARGEST // 3000 + 100):
            log.write("x" * 2999)
        log.write("The build failed: x", always=True)
    lines = read_log_lines(tmp_path)
    assert lines[-2].text.startswith("The log ends here")
    assert lines[-1].text == "The build failed: x"
    assert (tmp_path / "log.txt").stat().st_size < LARGEST + 5000
    assert seen == [line.text for line in lines], "who watches is told no more than is kept"
