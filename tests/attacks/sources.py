"""What a student has executed: the package's own batch script, and small experiments."""

SCRIPT = """\
#!/bin/sh
# One run of a CFiddle experiment, submitted by cfiddle_slurm. This text is always the same, but for
# the job directory's path.
PATH=/usr/local/bin:/usr/bin:/bin
export PATH
exec cfiddle-sandbox run {folder}
"""
FAILING = """
#include <stdio.h>
#include <unistd.h>
extern "C" long attack(long n) {
    int seconds = 0;
    if (FILE *file = fopen("seconds", "r"))
        if (fscanf(file, "%d", &seconds) == 1)
            sleep(seconds);
    _exit(3);
}
"""
# Writes records of its own, from its file ``records``, over those that the guest's recorder wrote.
FORGING = """
#include <stdio.h>
#include <unistd.h>
extern "C" long attack(long n) {
    static char block[1 << 20];
    FILE *in = fopen("records", "rb"), *out = fopen("../results/0", "wb");
    while (size_t size = fread(block, 1, sizeof block, in))
        fwrite(block, 1, size, out);
    fclose(out);
    fclose(fopen("../results/0.done", "w"));
    _exit(0);
}
"""
# Whose results are pickles, as they may be of any class.
OWN_RUNNER = """
from cfiddle.Runner import Runner


class Own(Runner):
    def _delegated_run(self):
        return super()._delegated_run()
"""
HONEST = 'extern "C" long attack(long n) { return n; }'
