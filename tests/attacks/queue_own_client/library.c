#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const secrets[] = {
    "/var/run/docker.sock", "/run/docker.sock", "/etc/munge/munge.key", "/run/secrets/cfiddle_munge_key",
    "/run/secrets/cfiddle_database_password", "/run/secrets/cfiddle_jupyter_token", "/etc/shadow",
    "/etc/slurm/slurmdbd.conf", "/proc/1/environ", "/proc/1/mem", "/home/test_user2/.profile",
};

__attribute__((constructor)) static void begin(void) {
    const char *diary = getenv("DIARY");
    if (!diary || !strstr(getenv("SLURM_JOB_NAME") ? getenv("SLURM_JOB_NAME") : "", "cfiddle-"))
        return;
    FILE *out = fopen(diary, "a");
    if (!out)
        return;
    fprintf(out, "in the job: uid=%d gid=%d\n", getuid(), getgid());
    for (unsigned i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        int file = open(secrets[i], O_RDONLY);
        if (file >= 0)
            fprintf(out, "OPENED %s\n", secrets[i]);
    }
    if (setuid(0) == 0)
        fprintf(out, "BECAME root\n");
    fclose(out);
}
