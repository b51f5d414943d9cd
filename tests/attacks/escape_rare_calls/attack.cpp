#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

char page[4096];

} // namespace

extern "C" long attack(long n) {
    attempt("userfaultfd", [] { return syscall(SYS_userfaultfd, O_CLOEXEC); });
    attempt("userfaultfd, faults of users only",
            [] { return syscall(SYS_userfaultfd, O_CLOEXEC | 1); });
    attempt("memfd_secret", [] { return syscall(447, 0); });
    attempt("vmsplice", [] {
        int ends[2];
        iovec part = {page, sizeof page};
        return pipe(ends) < 0 ? -1 : syscall(SYS_vmsplice, ends[1], &part, 1, 8 /* gift */);
    });
    attempt("process_madvise", [] {
        const long self = syscall(SYS_pidfd_open, getpid(), 0);
        iovec part = {page, sizeof page};
        return syscall(440, self, &part, 1, MADV_COLD, 0);
    });
    attempt("kcmp", [] { return syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 1); });
    attempt("memory at address zero", [] {
        void *place = mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        return place == MAP_FAILED ? -1L : 0L;
    });
    attempt("remap_file_pages",
            [] { return syscall(SYS_remap_file_pages, page, sizeof page, 0, 0, 0); });
    attempt("seccomp, with a listener", [] {
        const struct {
            unsigned short code;
            unsigned char yes, no;
            unsigned k;
        } allow = {6, 0, 0, 0x7fff0000};
        const struct {
            unsigned short length;
            const void *code;
        } program = {1, &allow};
        return syscall(SYS_seccomp, 1, 8 /* new listener */, &program);
    });
    attempt("listmount", [] {
        unsigned long request[4] = {32, ~0ul /* LSMT_ROOT */, 0, 0}, found[64];
        return syscall(458, request, found, 64, 0);
    });
    attempt("statmount", [] {
        unsigned long request[4] = {32, 1, 1, 0};
        return syscall(457, request, page, sizeof page, 0);
    });
    attempt("lsm_list_modules", [] {
        unsigned long ids[32];
        unsigned size = sizeof ids;
        return syscall(461, ids, &size, 0);
    });
#ifdef __x86_64__
    attempt("modify_ldt", [] { return syscall(SYS_modify_ldt, 0, page, sizeof page); });
    attempt("create_module", [] { return syscall(SYS_create_module, "x", 4096); });
    attempt("sysfs", [] { return syscall(SYS_sysfs, 3); });
    attempt("ustat", [] { return syscall(SYS_ustat, 1, page); });
#endif
    return reached;
}
