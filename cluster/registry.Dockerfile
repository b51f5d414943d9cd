# The cluster's own image registry, from Debian's package: no account anywhere is needed.
FROM cfiddle-base:latest
RUN apt-get update \
    && apt-get install --yes --no-install-recommends docker-registry \
    && rm -rf /var/lib/apt/lists/*
COPY cluster/registry.yml /etc/docker/registry/config.yml
LABEL cfiddle-slurm.role=registry
ENTRYPOINT ["docker-registry", "serve", "/etc/docker/registry/config.yml"]
