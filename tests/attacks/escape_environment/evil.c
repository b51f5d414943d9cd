#include <stdio.h>
#include <unistd.h>

static void note(void) {
    FILE *list = fopen("/work/files/loaded.txt", "a");
    if (list == NULL) // not in the sandbox
        list = fopen("loaded-elsewhere.txt", "a");
    if (list == NULL)
        return;
    char line[256], rights[256] = "none";
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status))
        if (sscanf(line, "CapEff: %255s", rights) == 1)
            break;
    fprintf(list, "%d %d %s\n", (int)getpid(), (int)getuid(), rights);
    fclose(list);
    if (status != NULL)
        fclose(status);
}

// The loader calls it in every process that takes this library in, for whatever reason.
__attribute__((constructor)) static void loaded(void) {
    note();
}

unsigned la_version(unsigned version) {
    return version;
}

int gconv_init(void *step) {
    return 0;
}

int ordinary(int n) {
    return n;
}
