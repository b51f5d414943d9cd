#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <linux/perf_event.h>
#include <set>
#include <string>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Software events and CAP_PERFMON are all that this needs: what is sampled is whatever runs on the
// processor, and a sample can hold that process's registers and kilobytes of its stack.

namespace {

const long PAGES = 256;
const uint32_t STACK_BYTES = 2048;

struct Ring {
    perf_event_mmap_page *control;
    char *data;
    uint64_t size;
};

struct Found {
    long samples = 0, foreign = 0, stacks = 0, kernel = 0;
    std::set<std::string> names, files;
};

int open_on(int processor) {
    perf_event_attr attribute;
    memset(&attribute, 0, sizeof attribute);
    attribute.size = sizeof attribute;
    attribute.type = PERF_TYPE_SOFTWARE;
    attribute.config = PERF_COUNT_SW_CPU_CLOCK;
    attribute.sample_period = 100000; // nanoseconds
    attribute.sample_type =
        PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
#if defined __x86_64__
    attribute.sample_regs_user = 1u << 7 | 1u << 8; // sp, ip of asm/perf_regs.h
#else
    attribute.sample_regs_user = 1ull << 31 | 1ull << 32;
#endif
    attribute.sample_stack_user = STACK_BYTES;
    attribute.comm = attribute.mmap = attribute.mmap2 = attribute.task = 1;
    attribute.disabled = 1;
    return (int)syscall(SYS_perf_event_open, &attribute, -1, processor, -1, PERF_FLAG_FD_CLOEXEC);
}

uint64_t word(const char *place) {
    uint64_t value;
    memcpy(&value, place, sizeof value);
    return value;
}

void read_sample(const char *at, Found &found) {
    const uint64_t address = word(at);
    uint32_t process;
    memcpy(&process, at + 8, sizeof process);
    const char *rest = at + 16;
    found.samples++;
    found.kernel += address >> 63;
    const uint64_t registers = word(rest);
    rest += 8 + (registers ? 16 : 0);
    const uint64_t stack = word(rest);
    const uint64_t copied = stack ? word(rest + 8 + stack) : 0;
    // A process that is not in this PID namespace is number 0 here; one with registers of its own
    // is not the idle task.
    if (process == 0 && registers) {
        found.foreign++;
        found.stacks += copied > 0;
    }
}

void read_records(const Ring &ring, Found &found) {
    const uint64_t head = __atomic_load_n(&ring.control->data_head, __ATOMIC_ACQUIRE);
    std::string record;
    for (uint64_t at = ring.control->data_tail; at < head;) {
        perf_event_header header;
        for (size_t i = 0; i < sizeof header; i++)
            ((char *)&header)[i] = ring.data[(at + i) % ring.size];
        if (header.size < sizeof header)
            break;
        record.clear();
        for (uint64_t i = sizeof header; i < header.size; i++)
            record += ring.data[(at + i) % ring.size];
        at += header.size;
        uint32_t process = 1;
        if (record.size() >= 16)
            memcpy(&process, &record[0], sizeof process);
        if (header.type == PERF_RECORD_SAMPLE)
            read_sample(record.data(), found);
        else if (header.type == PERF_RECORD_COMM && process == 0)
            found.names.insert(record.c_str() + 8);
        else if (header.type == PERF_RECORD_MMAP2 && process == 0)
            found.files.insert(record.c_str() + 64);
    }
    ring.control->data_tail = head;
}

} // namespace

extern "C" long attack(long n) {
    const long page = sysconf(_SC_PAGESIZE);
    Found found;
    Ring rings[64];
    int opened = 0;
    for (int processor = 0; processor < 64; processor++) {
        const int event = open_on(processor);
        if (event < 0) {
            if (errno != ENODEV && errno != EINVAL)
                printf("processor %d: %s\n", processor, strerror(errno));
            continue;
        }
        long pages = PAGES;
        void *place = MAP_FAILED;
        for (; place == MAP_FAILED && pages > 0; pages /= 2)
            place = mmap(nullptr, (1 + pages) * page, PROT_READ | PROT_WRITE, MAP_SHARED, event, 0);
        if (place == MAP_FAILED) {
            printf("processor %d: opened, but no buffer: %s\n", processor, strerror(errno));
            continue;
        }
        Ring &ring = rings[opened++];
        ring.control = (perf_event_mmap_page *)place;
        ring.data = (char *)place + ring.control->data_offset;
        ring.size = ring.control->data_size;
        ioctl(event, PERF_EVENT_IOC_ENABLE, 0);
    }
    for (int tenth = 0; opened && tenth < 10; tenth++) {
        usleep(100000);
        for (int i = 0; i < opened; i++)
            read_records(rings[i], found);
    }
    printf(
        "%d processors opened: %ld samples, %ld of other users' processes, %ld with their stacks, "
        "%ld kernel addresses\n",
        opened, found.samples, found.foreign, found.stacks, found.kernel);
    // That it can be had is shown without showing it.
    printf("%zu names of programs that others started, %zu of files that they mapped\n",
           found.names.size(), found.files.size());
    return found.foreign + (long)found.names.size() + (long)found.files.size();
}
