#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <linux/perf_event.h>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

// None is ever enabled: whether it may be opened is the question.
perf_event_attr disabled(uint32_t type) {
    perf_event_attr attribute;
    memset(&attribute, 0, sizeof attribute);
    attribute.size = sizeof attribute;
    attribute.type = type;
    attribute.sample_period = 1;
    attribute.disabled = 1;
    return attribute;
}

int opens(perf_event_attr &attribute, pid_t process, int processor) {
    const long event =
        syscall(SYS_perf_event_open, &attribute, process, processor, -1, PERF_FLAG_FD_CLOEXEC);
    if (event >= 0)
        close((int)event);
    return event >= 0;
}

int attempt(const char *name, perf_event_attr &attribute, pid_t process, int processor) {
    const int opened = opens(attribute, process, processor);
    printf("%s: %s\n", name, opened ? "opened" : strerror(errno));
    return opened;
}

// The types of kprobe and uprobe are given out when the kernel starts.
long type_of(const char *unit) {
    const std::string name = std::string("/sys/bus/event_source/devices/") + unit + "/type";
    FILE *file = fopen(name.c_str(), "r");
    long type = -1;
    if (file == nullptr || fscanf(file, "%ld", &type) != 1)
        printf("%s: the kernel has none\n", unit);
    if (file != nullptr)
        fclose(file);
    return type;
}

int kernel_probes() {
    const long type = type_of("kprobe");
    if (type < 0)
        return 0;
    perf_event_attr attribute = disabled((uint32_t)type);
    attribute.kprobe_func = (uint64_t)(uintptr_t)"ksys_read";
    return attempt("a kernel function, for this thread", attribute, 0, -1) +
           attempt("a kernel function, for everybody", attribute, -1, 0);
}

int program_probes() {
    const long type = type_of("uprobe");
    if (type < 0)
        return 0;
    perf_event_attr attribute = disabled((uint32_t)type);
    attribute.uprobe_path = (uint64_t)(uintptr_t)"/proc/self/exe";
    attribute.probe_offset = 0x1000;
    return attempt("a program's function, for this thread", attribute, 0, -1) +
           attempt("a program's function, for everybody", attribute, -1, 0);
}

// Raw samples of the tracepoint "sys_enter", say, are everybody's system calls with their
// arguments. Their numbers stand in tracefs, which is not here, but they are small.
int tracepoints() {
    perf_event_attr attribute = disabled(PERF_TYPE_TRACEPOINT);
    for (attribute.config = 1; attribute.config < 100; attribute.config++)
        if (opens(attribute, 0, -1)) {
            attribute.sample_type = PERF_SAMPLE_RAW | PERF_SAMPLE_TID;
            return attempt("raw records of a tracepoint, everybody's", attribute, -1, 0);
        }
    printf("a tracepoint: %s\n", strerror(errno));
    return 0;
}

} // namespace

extern "C" long attack(long n) {
    return kernel_probes() + program_probes() + tracepoints();
}
