# A "machine" for tests: an engine and an ssh server, as a bare Debian would have them. e2fsprogs,
# faketime and openssl are there for what is done to machines, see faults.py and expire.
FROM debian:trixie-slim
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        docker.io docker-cli e2fsprogs faketime iproute2 iptables openssh-server openssl procps \
    && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_*
COPY start /usr/local/bin/start
ENTRYPOINT ["/usr/local/bin/start"]
