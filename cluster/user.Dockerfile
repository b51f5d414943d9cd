# The user node: Jupyter, a compiler, CFiddle and cfiddle_slurm, and Slurm's commands.
FROM cfiddle-builder:latest AS packages
ARG CFIDDLE_VERSION
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc python3-dev \
    && rm -rf /var/lib/apt/lists/*
RUN pip install --ignore-installed --no-compile --break-system-packages jupyterlab ipywidgets \
        cfiddle==${CFIDDLE_VERSION} 'pandas<3' 'setuptools<80' \
    && python3 -m compileall -q -j 0 /usr/local/lib/python3*/dist-packages
COPY dist/*.whl /build/
# Whatever is there already fits: only what is missing is fetched.
RUN pip install --break-system-packages /build/*.whl

FROM cfiddle-base:latest
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        g++ gcc git less libnss-extrausers make munge nano slurm-client \
    && rm -rf /var/lib/apt/lists/* /etc/munge/munge.key \
    && rm -rf /var/lib/extrausers && ln -s /home/.accounts /var/lib/extrausers \
    && sed -i -E 's/^(passwd|group|shadow):(.*)$/\1:\2 extrausers/' /etc/nsswitch.conf
COPY --from=packages /usr/local /usr/local
COPY cluster/config.toml /etc/cfiddle-slurm/config.toml
COPY cluster/user-node cluster/healthy /usr/local/lib/cfiddle-slurm/
ENV SLURM_CONF_SERVER=controller
LABEL cfiddle-slurm.role=user
ENTRYPOINT ["/usr/local/lib/cfiddle-slurm/user-node"]
