"""The watch for endless forks."""

from pathlib import Path

from cfiddle_slurm.sandbox.daemon.process_watch import ProcessWatch, read_tasks


class Machine:
    """Counts that a test sets, and how often the dear question was asked."""

    def __init__(self, tasks: int | None, inside: int | None) -> None:
        self.tasks, self.inside, self.asked = tasks, inside, 0

    def ask(self) -> int | None:
        self.asked += 1
        return self.inside

    def watch(self, limit: int = 256) -> ProcessWatch:
        return ProcessWatch(limit, lambda: self.tasks, self.ask)


def test_a_quiet_run_never_asks_the_engine() -> None:
    machine = Machine(500, 5)
    watch = machine.watch()
    for second in range(60):
        machine.tasks = 500 + second % 40
        assert not watch.tick(float(second))
    assert machine.asked == 0


def test_an_endless_fork_is_ended_after_two_seconds_at_the_limit() -> None:
    machine = Machine(500, 256)
    watch = machine.watch()
    machine.tasks = 754
    assert [watch.tick(float(second)) for second in (1, 2, 3)] == [False, False, True]
    assert watch.at_limit


def test_touching_the_limit_is_allowed() -> None:
    machine = Machine(500, 256)
    watch = machine.watch()
    machine.tasks = 754
    assert not watch.tick(1.0)
    machine.inside = 255
    assert not watch.tick(2.0)
    machine.inside = 256
    assert not watch.tick(3.0)
    assert not watch.tick(4.0)
    assert watch.tick(5.0)


def test_tasks_that_others_ended_do_not_hide_it() -> None:
    machine = Machine(5000, 256)
    watch = machine.watch()
    machine.tasks = 4000
    assert not watch.tick(1.0)
    machine.tasks = 4256
    watch.tick(2.0)
    assert machine.asked == 1


def test_where_tasks_cannot_be_counted_the_engine_is_asked() -> None:
    machine = Machine(None, 3)
    watch = machine.watch()
    watch.tick(1.0)
    assert machine.asked == 1 and not watch.at_limit


def test_an_engine_that_does_not_say_is_no_fork_bomb() -> None:
    machine = Machine(None, None)
    watch = machine.watch()
    assert not any(watch.tick(float(second)) for second in range(10))


def test_load_average(tmp_path: Path) -> None:
    file = tmp_path / "loadavg"
    assert read_tasks(file) is None
    file.write_text("0.20 0.18 0.12 1/80 11206\n")
    assert read_tasks(file) == 80
    for text in ("", "1 2 3", "1 2 3 4/x 5"):
        file.write_text(text)
        assert read_tasks(file) is None
    assert (read_tasks() or 0) > 1
