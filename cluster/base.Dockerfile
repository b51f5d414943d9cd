# What all images share: one Debian, so one Python and one C library, and the account `cfiddle`.
ARG BASE=debian:trixie-slim
FROM ${BASE}
ENV LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 libpfm4 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /usr/share/doc/* /usr/share/man/*
RUN groupadd --gid 7000 cfiddle \
    && useradd --uid 7000 --gid 7000 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin cfiddle
