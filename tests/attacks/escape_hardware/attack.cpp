#include <csignal>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

#if defined __x86_64__
void attempt_machine() {
    attempt("iopl", [] { return syscall(SYS_iopl, 3); });
    attempt("ioperm", [] { return syscall(SYS_ioperm, 0x80, 1, 1); });
    attempt("modify_ldt", [] {
        static char table[64];
        return syscall(SYS_modify_ldt, 0, table, sizeof table);
    });
    attempt("in", [] {
        unsigned char value;
        asm volatile("inb $0x71, %0" : "=a"(value));
        return 0L;
    });
    attempt("out", [] {
        asm volatile("outb %b0, $0x80" : : "a"(0));
        return 0L;
    });
    attempt("rdmsr", [] {
        unsigned low, high;
        asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0x10));
        return 0L;
    });
    attempt("wrmsr", [] {
        asm volatile("wrmsr" : : "a"(0), "d"(0), "c"(0x10));
        return 0L;
    });
    attempt("mov from cr3", [] {
        unsigned long value;
        asm volatile("mov %%cr3, %0" : "=r"(value));
        return 0L;
    });
    attempt("mov from dr7", [] {
        unsigned long value;
        asm volatile("mov %%dr7, %0" : "=r"(value));
        return 0L;
    });
    attempt("cli", [] {
        asm volatile("cli");
        return 0L;
    });
    attempt("hlt", [] {
        asm volatile("hlt");
        return 0L;
    });
    attempt("invd", [] {
        asm volatile("invd");
        return 0L;
    });
    attempt("wbinvd", [] {
        asm volatile("wbinvd");
        return 0L;
    });
    attempt("swapgs", [] {
        asm volatile("swapgs");
        return 0L;
    });
    attempt("lgdt", [] {
        static char table[16];
        asm volatile("lgdt %0" : : "m"(table));
        return 0L;
    });
}
#elif defined __aarch64__
void attempt_machine() {
    attempt("mrs sctlr_el1", [] {
        unsigned long value;
        asm volatile("mrs %0, sctlr_el1" : "=r"(value));
        return 0L;
    });
    attempt("mrs ttbr0_el1", [] {
        unsigned long value;
        asm volatile("mrs %0, ttbr0_el1" : "=r"(value));
        return 0L;
    });
    attempt("msr daifset", [] {
        asm volatile("msr daifset, #2");
        return 0L;
    });
    attempt("msr vbar_el1", [] {
        asm volatile("msr vbar_el1, %0" : : "r"(0ul));
        return 0L;
    });
    attempt("hvc", [] {
        asm volatile("hvc #0");
        return 0L;
    });
    attempt("smc", [] {
        asm volatile(".inst 0xd4000003");
        return 0L;
    });
    attempt("tlbi", [] {
        asm volatile("tlbi vmalle1");
        return 0L;
    });
}
#else
void attempt_machine() {}
#endif

} // namespace

extern "C" long attack(long n) {
    attempt_machine();
    return reached;
}
