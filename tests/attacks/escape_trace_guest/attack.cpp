#include <cstdint>
#include <linux/perf_event.h>
#include <string>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

const pid_t GUEST = 1;
char memory[4096];

long trace(int request, pid_t process) {
    return syscall(SYS_ptrace, request, process, nullptr, nullptr);
}

long vm(long number, pid_t process, void *there) {
    iovec here_part = {memory, 1}, there_part = {there, 1};
    return syscall(number, process, &here_part, 1, &there_part, 1, 0);
}

long counted(pid_t process, bool sampled) {
    perf_event_attr attribute = {};
    attribute.size = sizeof attribute;
    attribute.type = PERF_TYPE_SOFTWARE;
    attribute.config = PERF_COUNT_SW_CPU_CLOCK;
    attribute.disabled = 1;
    if (sampled) {
        attribute.sample_period = 1000;
        attribute.sample_type = PERF_SAMPLE_STACK_USER | PERF_SAMPLE_IP;
        attribute.sample_stack_user = 4096;
    }
    return syscall(SYS_perf_event_open, &attribute, process, -1, -1, 0);
}

void attempt_tracing() {
    attempt("attach to the guest", [] { return trace(PTRACE_ATTACH, GUEST); });
    attempt("seize the guest", [] { return trace(PTRACE_SEIZE, GUEST); });
    attempt("be traced by the harness", [] { return trace(PTRACE_TRACEME, 0); });
    const pid_t harness = getpid();
    attempt("attach to the harness", [=] { return trace(PTRACE_ATTACH, harness); });
    attempt("read the harness", [=] { return vm(SYS_process_vm_readv, harness, memory); });
    attempt("write the harness", [=] { return vm(SYS_process_vm_writev, harness, memory); });
    // The interpreter lies somewhere else each time, but whether it may come before where.
    void *const somewhere = (void *)0x400000;
    attempt("read the guest", [=] { return vm(SYS_process_vm_readv, GUEST, somewhere); });
    attempt("write the guest", [=] { return vm(SYS_process_vm_writev, GUEST, somewhere); });
}

void attempt_descriptors() {
    for (int number = 0; number < 10; number++)
        attempt(("take the guest's descriptor " + std::to_string(number)).c_str(), [=] {
            const long guest = syscall(SYS_pidfd_open, GUEST, 0);
            return guest < 0 ? -1 : syscall(SYS_pidfd_getfd, guest, number, 0);
        });
    for (int kind = 0; kind < 7; kind++)
        attempt(("compare the guest's resources, kind " + std::to_string(kind)).c_str(),
                [=] { return syscall(SYS_kcmp, getpid(), GUEST, kind, 0, 0); });
}

void attempt_memory() {
    attempt("give away the guest's memory", [] {
        const long guest = syscall(SYS_pidfd_open, GUEST, 0);
        iovec part = {nullptr, 4096};
        return guest < 0 ? -1 : syscall(SYS_process_madvise, guest, &part, 1, 21, 0);
    });
    attempt("release the guest's memory", [] {
        const long guest = syscall(SYS_pidfd_open, GUEST, 0);
        return guest < 0 ? -1 : syscall(448 /* process_mrelease */, guest, 0);
    });
    attempt("move the guest's pages", [] {
        unsigned long nodes = 1;
        return syscall(SYS_migrate_pages, GUEST, 64, &nodes, &nodes);
    });
    attempt("ask where the guest's pages are", [] {
        void *page = (void *)0x400000;
        int found = 0;
        return syscall(SYS_move_pages, GUEST, 1, &page, nullptr, &found, 0);
    });
    attempt("find the guest's locks", [] {
        void *head = nullptr;
        size_t size = 0;
        return syscall(SYS_get_robust_list, GUEST, &head, &size);
    });
    attempt("count the guest's events", [] { return counted(GUEST, false); });
    attempt("sample the guest's stack", [] { return counted(GUEST, true); });
}

} // namespace

extern "C" long attack(long n) {
    attempt_tracing();
    attempt_descriptors();
    attempt_memory();
    return reached;
}
