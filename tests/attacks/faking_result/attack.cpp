#include <cstdio>
#include <unistd.h>

// The result of the invocation 0: number, table and value.
static const char RESULT[] = "[\"result\",0,[\"ET\"],[[\"0.001\"]],4242]\n";

extern "C" long attack(long n) {
    FILE *results = fopen("../results/0", "w");
    fwrite(RESULT, 1, sizeof RESULT - 1, results);
    fclose(results);
    fclose(fopen("../results/0.done", "w"));
    _exit(0);
}
