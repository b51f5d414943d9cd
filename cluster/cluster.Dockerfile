# All daemons of the cluster; the first argument says which one a container is.
FROM cfiddle-builder:latest AS packages
COPY dist/*.whl /build/
# The daemons need neither CFiddle nor pandas: the package without its dependencies, and Docker's.
RUN pip install --ignore-installed --no-compile --break-system-packages docker \
    && pip install --no-deps --no-compile --break-system-packages /build/*.whl \
    && python3 -m compileall -q /usr/local/lib/python3*/dist-packages

FROM cfiddle-base:latest
# Fixed ids, so that volumes keep their owners when an image is built anew.
RUN groupadd --system --gid 7101 munge \
    && useradd --system --uid 7101 --gid 7101 --home-dir /nonexistent --shell /usr/sbin/nologin munge \
    && groupadd --system --gid 7102 mysql \
    && useradd --system --uid 7102 --gid 7102 --home-dir /nonexistent --shell /usr/sbin/nologin mysql
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        libnss-extrausers mariadb-server munge nftables slurm-client slurmctld slurmd slurmdbd \
    && rm -rf /var/lib/apt/lists/* /etc/munge/munge.key /var/lib/mysql/* \
    && rm -rf /var/lib/extrausers && ln -s /home/.accounts /var/lib/extrausers \
    && chmod 0755 /var/tmp /run/lock \
    && find / -xdev -perm /6000 -type f -exec chmod ug-s {} + \
    && sed -i -E 's/^(passwd|group|shadow):(.*)$/\1:\2 extrausers/' /etc/nsswitch.conf
COPY --from=packages /usr/local /usr/local
COPY cluster/sandbox-client /usr/local/bin/cfiddle-sandbox
COPY sandbox/seccomp.json /usr/local/share/cfiddle-slurm/
COPY cluster/slurm.conf cluster/cgroup.conf cluster/job_submit.lua cluster/slurmdbd.conf.in /usr/local/share/cfiddle-slurm/
COPY cluster/prolog cluster/epilog cluster/daemon cluster/healthy cluster/accounts cluster/end-account /usr/local/lib/cfiddle-slurm/
LABEL cfiddle-slurm.role=cluster
ENTRYPOINT ["/usr/local/lib/cfiddle-slurm/daemon"]
