#include <cstdint>
#include <linux/bpf.h>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

// The calls are complete enough for whether they may to be asked, and too little to do harm.
long bpf_(int command, bpf_attr &attributes) {
    return syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

void attempt_bpf() {
    attempt("BPF map", [] {
        bpf_attr attributes = {};
        attributes.map_type = BPF_MAP_TYPE_ARRAY;
        attributes.key_size = attributes.value_size = 4;
        attributes.max_entries = 1;
        return bpf_(BPF_MAP_CREATE, attributes);
    });
    for (uint32_t kind :
         {1u /* socket filter */, 2u /* kprobe */, 5u /* tracepoint */, 7u /* perf event */})
        attempt(("BPF program of type " + std::to_string(kind)).c_str(), [=] {
            const bpf_insn code[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0},
                                     {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
            bpf_attr attributes = {};
            attributes.prog_type = kind;
            attributes.insns = (uint64_t)(uintptr_t)code;
            attributes.insn_cnt = 2;
            attributes.license = (uint64_t)(uintptr_t)"GPL";
            return bpf_(BPF_PROG_LOAD, attributes);
        });
    for (int command : {BPF_OBJ_GET, BPF_PROG_GET_NEXT_ID, BPF_MAP_GET_NEXT_ID, BPF_BTF_GET_NEXT_ID,
                        BPF_BTF_GET_FD_BY_ID, BPF_RAW_TRACEPOINT_OPEN, BPF_TASK_FD_QUERY,
                        BPF_LINK_GET_NEXT_ID, BPF_ENABLE_STATS})
        attempt(("BPF command " + std::to_string(command)).c_str(), [=] {
            bpf_attr attributes = {};
            return bpf_(command, attributes);
        });
}

} // namespace

extern "C" long attack(long n) {
    attempt_bpf();
    attempt("init_module", [] { return syscall(SYS_init_module, "no module", 9, ""); });
    attempt("finit_module", [] { return syscall(SYS_finit_module, 0, "", 0); });
    attempt("delete_module", [] { return syscall(SYS_delete_module, "no_such_module", 0x800); });
    attempt("kexec_load", [] { return syscall(SYS_kexec_load, 0, 0, nullptr, 0); });
    attempt("kexec_file_load", [] { return syscall(SYS_kexec_file_load, -1, -1, 0, "", 0); });
    attempt("reboot", [] {
        // Whether Ctrl-Alt-Del restarts at once: the mildest of its commands.
        return syscall(SYS_reboot, 0xfee1dead, 0x28121969, 0, nullptr);
    });
    return reached;
}
