# What all images share: one Debian, so one Python and one C library, and the account `cfiddle`.
ARG BASE=debian:trixie-slim
FROM ${BASE}
ENV LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1
# No copies of packages, no manuals: now and in all images above this one.
RUN printf '%s\n' 'Dir::Cache::pkgcache "";' 'Dir::Cache::srcpkgcache "";' \
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };' \
        >/etc/apt/apt.conf.d/90-small \
    && printf 'path-exclude /usr/share/%s/*\n' doc info locale man >/etc/dpkg/dpkg.cfg.d/90-small
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 libpfm4 libstdc++6 \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 7000 cfiddle \
    && useradd --uid 7000 --gid 7000 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin cfiddle
