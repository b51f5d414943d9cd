#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT "/work/plan-1.json"

static int lies_there(const char *what) {
    if (strcmp(what, "folder") == 0)
        return mkdir(NEXT, 0700);
    if (strcmp(what, "fifo") == 0)
        return mkfifo(NEXT, 0600);
    if (strncmp(what, "/", 1) == 0)
        return symlink(what, NEXT);
    const int file = open(NEXT, O_CREAT | O_WRONLY, 0400);
    return dprintf(file, "{\"cpu_seconds\": null, \"results\": \"/work/files/forged\"}");
}

// The first process has the variable that says what to do, the second has it not.
int prepare(int n) {
    const char *what = getenv("NEXT_PLAN");
    if (what != NULL && lies_there(what) < 0)
        perror(what);
    return n;
}
