#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

long mount_(const char *source, const char *target, const char *kind, unsigned long flags) {
    return syscall(SYS_mount, source, target, kind, flags, nullptr);
}

void old_calls() {
    static const char *const kinds[] = {"tmpfs",   "proc",    "sysfs",    "devtmpfs", "devpts",
                                        "cgroup",  "cgroup2", "debugfs",  "tracefs",  "securityfs",
                                        "overlay", "mqueue",  "configfs", "bpf",      "fuse"};
    for (const char *kind : kinds)
        attempt(kind, [kind] { return mount_(kind, "/work", kind, 0); });
    static const char *const disks[] = {"/dev/vda", "/dev/sda", "/dev/sda1", "/dev/nvme0n1p1"};
    for (const char *disk : disks)
        attempt(disk, [disk] { return mount_(disk, "/work", "ext4", MS_RDONLY); });
    attempt("the root elsewhere", [] { return mount_("/", "/work", nullptr, MS_BIND | MS_REC); });
    attempt("the root writable", [] { return mount_("", "/", nullptr, MS_REMOUNT | MS_BIND); });
    attempt("sysctls writable",
            [] { return mount_("", "/proc/sys", nullptr, MS_REMOUNT | MS_BIND); });
    attempt("sysfs writable", [] { return mount_("", "/sys", nullptr, MS_REMOUNT | MS_BIND); });
    attempt("/work with devices and set-user-id",
            [] { return mount_("", "/work", nullptr, MS_REMOUNT | MS_BIND); });
    attempt("mounts that spread", [] { return mount_("", "/", nullptr, MS_SHARED | MS_REC); });
    attempt("moving /proc", [] { return mount_("/proc", "/work", nullptr, MS_MOVE); });
    static const char *const covers[] = {"/proc/kcore", "/proc/keys",          "/proc/sys",
                                         "/proc/acpi",  "/proc/sysrq-trigger", "/sys/firmware",
                                         "/etc/hosts"};
    for (const char *cover : covers)
        attempt(cover, [cover] { return syscall(SYS_umount2, cover, 2 /* MNT_DETACH */); });
}

void new_calls() {
    attempt("open_tree", [] { return syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE); });
    attempt("move_mount", [] {
        const int tree = open("/tmp", O_PATH);
        return syscall(SYS_move_mount, tree, "", AT_FDCWD, "/work", MOVE_MOUNT_F_EMPTY_PATH);
    });
    attempt("fsopen", [] { return syscall(SYS_fsopen, "tmpfs", 0); });
    attempt("fsconfig", [] {
        return syscall(SYS_fsconfig, 0, 6 /* FSCONFIG_CMD_CREATE */, nullptr, nullptr, 0);
    });
    attempt("fsmount", [] { return syscall(SYS_fsmount, 0, 0, 0); });
    attempt("fspick", [] { return syscall(SYS_fspick, AT_FDCWD, "/", 0); });
    attempt("mount_setattr", [] {
        mount_attr attributes = {};
        attributes.attr_clr = MOUNT_ATTR_RDONLY;
        return syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attributes, sizeof attributes);
    });
}

} // namespace

extern "C" long attack(long n) {
    old_calls();
    new_calls();
    attempt("pivot_root", [] {
        mkdir("/work/old", 0700);
        return syscall(SYS_pivot_root, "/work", "/work/old");
    });
    attempt("chroot", [] { return syscall(SYS_chroot, "/work"); });
    return reached;
}
