#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int take(const char *path, const struct stat *status, int type, struct FTW *) {
    if (type != FTW_F || !S_ISREG(status->st_mode) || status->st_size == 0)
        return 0;
    int file = open(path, O_RDONLY);
    if (file < 0)
        return 0;
    mmap(nullptr, status->st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
    close(file);
    return 0;
}

extern "C" long attack(long n) {
    return nftw("/usr", take, 64, FTW_PHYS | FTW_MOUNT) < n ? 0 : 1;
}
