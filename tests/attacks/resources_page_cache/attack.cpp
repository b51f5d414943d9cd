#include <cstdio>
#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const long LIMIT = 64; // MiB of memory, see attack.toml
static long mapped;

static int take(const char *path, const struct stat *status, int type, struct FTW *) {
    if (type != FTW_F || !S_ISREG(status->st_mode) || status->st_size == 0)
        return 0;
    int file = open(path, O_RDONLY);
    if (file < 0)
        return 0;
    mapped += mmap(nullptr, status->st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0) !=
              MAP_FAILED;
    close(file);
    return 0;
}

// What the container's control group holds of files' pages, of its own bringing: mincore(2) would
// count everybody's. -1 where the kernel does not tell.
static long megabytes() {
    char line[256];
    long bytes = -1;
    FILE *file = fopen("/sys/fs/cgroup/memory/memory.stat", "r"); // version 1
    if (!file)
        file = fopen("/sys/fs/cgroup/memory.stat", "r");
    while (file && bytes < 0 && fgets(line, sizeof line, file))
        if (sscanf(line, "cache %ld", &bytes) != 1)
            sscanf(line, "file %ld", &bytes);
    if (file)
        fclose(file);
    return bytes < 0 ? -1 : bytes >> 20;
}

extern "C" long attack(long n) {
    nftw("/usr", take, 64, FTW_PHYS | FTW_MOUNT);
    const long taken = megabytes();
    printf("%ld files mapped, %ld MiB of the page cache\n", mapped, taken);
    if (mapped < 100 || taken < 0)
        return -1; // nothing was tried
    return taken > LIMIT ? taken - LIMIT : 0;
}
