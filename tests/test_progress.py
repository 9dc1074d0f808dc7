import io
import re
import unicodedata

from arabic_r1_jax import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end(monkeypatch):
    clock, log = [0.0], io.StringIO()
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.bar("Training", 40, log) as update:
        for step in range(40):
            clock[0] += 1
            update(1, loss=1 / (step + 1))
    lines = log.getvalue().splitlines()
    assert lines[0] == "Training: 10 of 40, 30 s left, loss 0.1"
    assert [line.split()[1] for line in lines] == ["10", "20", "30", "40"]
    assert lines[-1] == "Training: 40 of 40, 40 s, loss 0.025"


def test_the_time_left_leaves_out_what_came_before_the_first_step(monkeypatch):
    clock, log = [0.0], io.StringIO()
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.bar("Training", 2000, log) as update:
        clock[0] = 100
        update(1000)  # a resumed run, restored and compiled
        for _ in range(20):
            clock[0] += 1
            update(1)
    assert log.getvalue().splitlines()[:2] == ["Training: 1,000 of 2,000", "Training: 1,010 of 2,000, 990 s left"]


def test_work_that_counts_by_itself_tells_where_it_is():
    log = io.StringIO()
    with progress.bar("Writing", stream=log) as update:
        update.to(3e9, 4e9)
    assert log.getvalue() == "Writing: 3,000,000,000 of 4,000,000,000\n"


def test_a_terminal_gets_a_moving_bar():
    screen = Terminal()
    with progress.bar("Training", 2, screen) as update:
        update(2, rows=7)
    assert re.search(r"Training .*100%.*rows 7", screen.getvalue())


def test_a_bar_lets_errors_through_and_leaves_stdout_alone(capsys):
    try:
        with progress.bar("Training", 2) as update:
            update(1)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert capsys.readouterr().out == ""


def test_a_table_shows_every_cell_and_takes_no_cell_for_markup():
    out = io.StringIO()
    progress.table("Held-out", ("family", "n", "after"), [("جمع", 1234, "[0.5, 0.7]"), ("[bold]x", 7, ":ok:")], out)
    for text in ("Held-out", "family", "جمع", "1,234", "[0.5, 0.7]", "[bold]x", ":ok:"):
        assert text in out.getvalue()


def test_arabic_lines_are_marked_and_their_letters_keep_their_order():
    text = "## التحليل\n- أ: «معلمون» فيه ون\n\n1. ✓"
    shown = progress.rtl(text)
    kept = "".join(c for c in shown if c == "\n" or unicodedata.category(c) != "Cf")
    assert kept == text
    assert [line[:2] for line in shown.split("\n")] == ["\u200f\u2067", "\u200f\u2067", "", "\u200f\u2067"]
    assert all(line.endswith("\u2069") for line in shown.split("\n") if line)


def test_other_text_is_left_as_it_is():
    for text in ("", "The teachers came («المعلمون»).", "1 + 1 = 2", "\n"):
        assert progress.rtl(text) == text
