"""Real experiments: what comes back is what plain CFiddle gives."""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cfiddle
import pytest
from cfiddle import arg_map
from cfiddle.Invoker import Invoker
from cfiddle.Runner import Runner

from cfiddle_slurm import errors

LOOP = """
extern "C" int loop(int n) {
    start_measurement();
    volatile int sum = 0;
    for (int i = 0; i < n; i++) sum += i;
    end_measurement();
    return sum;
}
"""
SORT = """
#include "numbers.hpp"
#include <algorithm>
extern "C" int sort_them(int count, int seed) {
    auto values = numbers(count, seed);
    start_measurement();
    std::sort(values.begin(), values.end());
    end_measurement();
    return values[count / 2] % 1000;
}
"""
HEADER = """
#include <vector>
inline std::vector<int> numbers(int count, int seed) {
    std::vector<int> values(count);
    unsigned state = seed;
    for (auto &value : values) value = (state = state * 1664525u + 1013904223u) >> 8;
    return values;
}
"""
COPY = """
#include <stdio.h>
extern "C" int shout(int lines) {
    FILE *in = fopen("data/in.txt", "r"), *out = fopen("data/out.txt", "w");
    if (!in || !out) return -1;
    int count = 0, c;
    while ((c = fgetc(in)) != EOF) { fputc(c >= 'a' && c <= 'z' ? c - 32 : c, out); count++; }
    for (int i = 0; i < lines; i++) fputs("end\\n", out);
    fclose(out); fclose(in);
    return count;
}
"""
TIME_COLUMNS = {"ET"}


def same_as_plain_cfiddle(run: Callable[[], Any], configured: Callable[..., Any]) -> Any:
    """Run here as CFiddle alone does, then as configured; all but the times must be equal."""
    expected = run()
    configured()
    found = run()
    assert list(found.as_df().columns) == list(expected.as_df().columns)
    fixed = [column for column in expected.as_df().columns if column not in TIME_COLUMNS]
    assert found.as_df()[fixed].to_dict("records") == expected.as_df()[fixed].to_dict("records")
    assert [r.return_value for r in found] == [r.return_value for r in expected]
    assert type(found) is type(expected)
    return found


def test_a_timed_loop_over_several_arguments(compiled: Any, configured: Any) -> None:
    loop = compiled(LOOP)
    found = same_as_plain_cfiddle(
        lambda: cfiddle.run(loop, "loop", arg_map(n=[1, 10, 1000, 10])), configured
    )
    assert [r.return_value for r in found] == [0, 45, 499500, 45]
    assert (found.as_df()["ET"] > 0).all()


def test_a_sort_with_a_header_and_build_parameters(
    configured: Any, compiled: Any, workplace: Path
) -> None:
    (workplace / "numbers.hpp").write_text(HEADER)
    sort = compiled(SORT, OPTIMIZE=["-O0", "-O3"], MORE_CXXFLAGS=[f"'-I{workplace}'"])
    found = same_as_plain_cfiddle(
        lambda: cfiddle.run(sort, "sort_them", arg_map(count=[1000, 50000], seed=[1, 2])),
        configured,
    )
    assert list(found.as_df()["OPTIMIZE"]) == ["-O0"] * 4 + ["-O3"] * 4


def test_a_program_with_its_own_input_and_output_file(
    configured: Any, compiled: Any, workplace: Path
) -> None:
    (workplace / "data").mkdir()
    (workplace / "data" / "in.txt").write_text("one\ntwo\n")
    (workplace / "data" / "notes.txt").write_text("keep me")
    copy = compiled(COPY)
    configured(input_files=["data/*.txt"], output_files=["data/*.txt"])
    results = cfiddle.run(copy, "shout", arg_map(lines=[2]))
    assert results[0].return_value == 8
    assert (workplace / "data" / "out.txt").read_text() == "ONE\nTWO\nend\nend\n"
    assert (workplace / "data" / "notes.txt").read_text() == "keep me"


def test_a_folder_of_files_goes_there_and_comes_back(
    configured: Any, compiled: Any, workplace: Path
) -> None:
    (workplace / "data" / "deep").mkdir(parents=True)
    (workplace / "data" / "deep" / "in.txt").write_text("one")
    write = compiled("""
        #include <stdio.h>
        #include <sys/stat.h>
        extern "C" int write_all(int n) {
            FILE *in = fopen("data/deep/in.txt", "r");
            mkdir("results", 0700);
            mkdir("results/deep", 0700);
            fclose(fopen("results/a.txt", "w"));
            fclose(fopen("results/deep/b.txt", "w"));
            fclose(fopen("results/.bashrc", "w"));
            return in ? n : -1;
        }""")
    configured(input_files=["data"], output_files=["results"])
    assert cfiddle.run(write, "write_all", arg_map(n=1))[0].return_value == 1
    results = workplace / "results"
    came = {str(path.relative_to(results)) for path in results.rglob("*")}
    assert came == {"a.txt", "deep", "deep/b.txt"}


def test_the_folder_of_output_files_is_there_when_the_program_starts(
    configured: Any, compiled: Any, workplace: Path
) -> None:
    write = compiled("""
        #include <stdio.h>
        extern "C" int write_one(int n) {
            FILE *out = fopen("sub/dir/out.txt", "w");
            return out && fputs("here", out) >= 0 && !fclose(out) ? n : -1;
        }""")
    configured(output_files=["sub/dir/*.txt"])
    assert cfiddle.run(write, "write_one", arg_map(n=1))[0].return_value == 1
    assert (workplace / "sub" / "dir" / "out.txt").read_text() == "here"


def test_what_runs_by_itself_comes_only_by_its_name(
    configured: Any, compiled: Any, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write = compiled("""
        #include <initializer_list>
        #include <stdio.h>
        #include <sys/stat.h>
        extern "C" int write_all(int n) {
            mkdir(".ipython", 0700);
            for (const char *name : {".bashrc", ".ipython/x.py", "conftest.py", "plain.txt"})
                fclose(fopen(name, "w"));
            return n;
        }""")
    (workplace / ".bashrc").write_text("mine")
    configured(output_files=["**", "*", ".*", ".ipython/*"])
    cfiddle.run(write, "write_all", arg_map(n=1))
    assert (workplace / "plain.txt").exists()
    assert (workplace / ".bashrc").read_text() == "mine"
    assert not (workplace / ".ipython").exists() and not (workplace / "conftest.py").exists()
    configured(output_files=[".bashrc"])
    cfiddle.run(write, "write_all", arg_map(n=1))
    assert (workplace / ".bashrc").read_text() == ""
    assert "wrote '.bashrc'" in capsys.readouterr().err


def test_what_is_printed_gives_a_terminal_no_commands(
    configured: Any, compiled: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    print_it = compiled(r"""
        #include <stdio.h>
        extern "C" int print_it(int n) {
            fputs("\033]0;title\007\033[31mred\033[0m\033[2J\n", stdout);
            return n;
        }""")
    configured(show_output=True)
    cfiddle.run(print_it, "print_it", arg_map(n=1))
    assert "\\x1b]0;title\\x07\x1b[31mred\x1b[0m\\x1b[2J\n" in capsys.readouterr().out


def test_a_file_that_was_not_declared_stays_there(
    configured: Any, compiled: Any, workplace: Path
) -> None:
    (workplace / "data").mkdir()
    (workplace / "data" / "in.txt").write_text("x")
    configured(input_files=["data/in.txt"])
    assert cfiddle.run(compiled(COPY), "shout", arg_map(lines=[0]))[0].return_value == 1
    assert not (workplace / "data" / "out.txt").exists()


def test_a_static_variable_lives_through_a_run_and_not_longer(
    configured: Any, compiled: Any
) -> None:
    count = compiled('extern "C" int count(int n) { static int calls; return ++calls; }')
    configured()
    for _ in range(2):
        results = cfiddle.run(count, "count", arg_map(n=[1, 1, 1]))
        assert [r.return_value for r in results] == [1, 2, 3]


def test_run_options_are_set_before_the_process_starts(configured: Any, compiled: Any) -> None:
    early = compiled("""
        #include <stdlib.h>
        static int seen = getenv("OMP_NUM_THREADS") ? atoi(getenv("OMP_NUM_THREADS")) : -1;
        extern "C" int early(int n) { return seen * 10 + n; }
    """)
    configured()
    results = cfiddle.run(
        early, "early", arg_map(n=[1, 2]), run_options=arg_map(OMP_NUM_THREADS=[3, 7])
    )
    found = [(r.invocation.run_options, r.invocation.arguments, r.return_value) for r in results]
    assert len(found) == 4
    for options, arguments, value in found:
        assert value == int(options["OMP_NUM_THREADS"]) * 10 + arguments["n"]
    plain = [(r.invocation.run_options, r.invocation.arguments) for r in cfiddle.run_list([])]
    assert plain == []


def test_values_are_those_of_the_declared_types(configured: Any, compiled: Any) -> None:
    functions = {
        "half": ("double", "n / 2.0", 2.5),
        "third": ("float", "n / 4.0f", 1.25),
        "wide": ("long double", "n * 0.5L", 2.5),
        "large": ("long", "n * 10000000000L", 50_000_000_000),
        "huge": ("uint64_t", "~0ul - n", 2**64 - 6),
        "unsigned": ("unsigned int", "~0u - n", 2**32 - 6),
        "small": ("char", "-n", -5),
        "nowhere": ("void *", "(char *)0", None),
        "place": ("void *", "(char *)0 + 0x7fff00000000 + n", 0x7FFF00000005),
        "not_a_number": ("double", "(n - n) / (double)(n - n)", None),
    }
    heads = [
        f'extern "C" {kind} {name}_(int n) {{\n return {value};\n}}'
        for name, (kind, value, _) in functions.items()
    ]
    program = compiled("#include <stdint.h>\n" + "\n".join(heads))
    configured()
    for name, (_, _, value) in functions.items():
        (result,) = cfiddle.run(program, f"{name}_", arg_map(n=5))
        if name == "not_a_number":
            assert math.isnan(result.return_value)
        else:
            assert result.return_value == value


def test_classes_of_the_notebook_itself_may_execute_runs(
    configured: Any, compiled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Doubling(Invoker):  # type: ignore[misc]
        def run(self) -> Any:
            result = super().run()
            result.return_value *= 2
            return result

    class Telling(Runner):  # type: ignore[misc]
        def _delegated_run(self) -> Any:
            return super()._delegated_run()

    for kind in (Doubling, Telling):
        kind.__module__, kind.__qualname__ = "__main__", kind.__name__
        monkeypatch.setattr(sys.modules["__main__"], kind.__name__, kind, raising=False)
    program = compiled('extern "C" int same(int n) {\n return n;\n}')
    with cfiddle.cfiddle_config(Invoker_type=Doubling, Runner_type=Telling):
        configured()
        results = cfiddle.run(program, "same", arg_map(n=[2, 3]))
    assert [result.return_value for result in results] == [4, 6]


MANY_WAYS = """
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <unistd.h>
    static int calls = 0;
    extern "C" int ways(int n) {
        const char *way = getenv("WAY");
        printf("%s %d\\n", way, getppid() == getpgid(0));
        fflush(stdout);
        if (*way == 'c') abort();
        if (*way == 'k') { kill(getppid(), SIGKILL); pause(); }
        if (*way == 'd' && fork() == 0) { setsid(); sleep(600); }
        return ++calls * 10 + n;
    }
"""


def test_each_set_of_run_options_begins_anew(configured: Any, compiled: Any) -> None:
    ways = compiled(MANY_WAYS)
    configured()
    for names in (["a", "b", "daemon"], ["a"]):
        results = cfiddle.run(ways, "ways", arg_map(n=[1, 2]), run_options=arg_map(WAY=names))
        values = [(r.invocation.run_options["WAY"], r.return_value) for r in results]
        assert sorted(values) == sorted(
            (name, call * 10 + call) for name in names for call in (1, 2)
        )


@pytest.mark.parametrize("options", [{"GLIBC_TUNABLES": ""}, {}], ids=["fresh", "warm"])
def test_a_set_that_crashes_leaves_those_before_it(
    configured: Any, compiled: Any, options: dict[str, str]
) -> None:
    ways = compiled(MANY_WAYS)
    configured()
    sets = arg_map(WAY=["a", "b", "crash", "e"], **{name: [v] for name, v in options.items()})
    with pytest.raises(errors.Crashed, match="SIGABRT") as caught:
        cfiddle.run(ways, "ways", arg_map(n=1), run_options=sets)
    assert [r.invocation.run_options["WAY"] for r in caught.value.partial_results] == ["a", "b"]


def test_one_that_kills_what_started_it_ends_the_run(configured: Any, compiled: Any) -> None:
    ways = compiled(MANY_WAYS)
    configured(time_limit=30)
    with pytest.raises((errors.Crashed, errors.ExperimentFailed, errors.ClusterTrouble)) as caught:
        cfiddle.run(ways, "ways", arg_map(n=1), run_options=arg_map(WAY=["a", "kill", "c"]))
    assert not isinstance(caught.value, errors.WallTimeLimit)


def test_a_perf_counter_counts(configured: Any, compiled: Any) -> None:
    touch = compiled("""
        #include <stdlib.h>
        extern "C" int touch(int pages) {
            volatile char *memory = (volatile char *)malloc(pages * 4096l);
            start_measurement();
            for (long i = 0; i < pages; i++) memory[i * 4096] = 1;
            end_measurement();
            return pages;
        }
    """)
    configured()
    table = cfiddle.run(
        touch, "touch", arg_map(pages=[1000, 4000]), perf_counters=["PERF_COUNT_SW_PAGE_FAULTS"]
    ).as_df()
    faults = list(table["PERF_COUNT_SW_PAGE_FAULTS"])
    assert 900 <= faults[0] <= 1200
    assert 3600 <= faults[1] <= 4400


def test_many_long_arguments_are_no_trouble(configured: Any, compiled: Any) -> None:
    names = [f"a_rather_long_argument_name_{number:02}" for number in range(15)]
    many = compiled(
        f'extern "C" int many({", ".join(f"int {name}" for name in names)})'
        f" {{ return {' + '.join(names)}; }}"
    )
    configured()
    results = cfiddle.run(many, "many", arg_map(**dict.fromkeys(names, 1000000)))
    assert results[0].return_value == 15_000_000
