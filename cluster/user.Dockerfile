# The user node: Jupyter, a compiler, CFiddle and cfiddle_slurm, and Slurm's commands.
FROM cfiddle-builder:latest AS packages
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc python3-dev \
    && rm -rf /var/lib/apt/lists/*
COPY --from=cfiddle-wheel:latest /build/cfiddle /build/cfiddle
RUN pip install --ignore-installed --no-compile --break-system-packages jupyterlab ipywidgets \
        /build/cfiddle/*.whl 'pandas<3' 'setuptools<80' \
    && python3 -m compileall -q -j 0 /usr/local/lib/python3*/dist-packages
COPY cluster/install-packages /build/
COPY packages/user /build/packages
RUN /build/install-packages install --break-system-packages
COPY dist/*.whl /build/
# Whatever is there already fits: only what is missing is fetched, and CFiddle stays the chosen one.
RUN pip install --break-system-packages /build/*.whl /build/cfiddle/*.whl
# No debugger's port (see sitecustomize.py), whatever has brought it; and no button that would ask for one.
RUN pip uninstall --yes --break-system-packages debugpy \
    && sed -i 's/"debugger": true/"debugger": false/' /usr/local/share/jupyter/kernels/*/kernel.json

FROM cfiddle-base:latest
ARG EXTRA_APT=""
RUN groupadd --system --gid 7103 door \
    && useradd --system --uid 7103 --gid 7103 --home-dir /nonexistent --shell /usr/sbin/nologin door
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        g++ gcc git graphviz less libnss-extrausers libtbb-dev make munge nano nftables \
        python3-pip python3-venv slurm-client ${EXTRA_APT} \
    && rm -rf /var/lib/apt/lists/* /etc/munge/munge.key \
    && rm -rf /var/lib/extrausers && ln -s /home/.accounts /var/lib/extrausers \
    && find / -xdev -perm /6000 -type f -exec chmod ug-s {} + \
    && sed -i -E 's/^(passwd|group|shadow):(.*)$/\1:\2 extrausers/' /etc/nsswitch.conf
# Students install into their own homes, and cannot write anywhere else. Debian's marker (PEP 668) guards a
# system from its root, but pip heeds it for everybody.
RUN printf '[global]\nbreak-system-packages = true\ndisable-pip-version-check = true\n' >/etc/pip.conf
COPY --from=packages /usr/local /usr/local
# CFiddle's library of counters is found by every process, however it was started.
RUN python3 -W ignore -c 'from cfiddle.paths import cfiddle_lib_path as p; print(p())' >/etc/ld.so.conf.d/cfiddle.conf \
    && ldconfig && python3 -c 'import ctypes; ctypes.CDLL("libcfiddle.so")'
COPY cluster/sitecustomize.py /usr/local/lib/cfiddle-slurm/
# It changes modules of packages, and leaves alone what it does not know: these must be known.
RUN ln -sf /usr/local/lib/cfiddle-slurm/sitecustomize.py \
        "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && python3 -W ignore -c 'import sitecustomize as s, cfiddle, ipykernel.kernelapp as k, jupyter_client as j; \
        from ipykernel.iostream import IOPubThread as t; \
        assert j.KernelManager().transport == k.IPKernelApp().transport == "ipc"; \
        assert t._setup_pipe_in.__module__ == t._setup_pipe_out.__module__ == s.__name__; \
        from cfiddle_slurm.cfiddle_hook import hook; \
        assert type(cfiddle.get_config(hook())).__name__ == "Unconfigured"'
COPY cluster/config.toml /etc/cfiddle-slurm/config.toml
# What the sandbox policy allows: `up` writes it to the shared home.
RUN ln -s /home/.accounts/limits.toml /etc/cfiddle-slurm/limits.toml
# No question about news from the Internet, which a class has no use for.
COPY cluster/page_config.json /etc/jupyter/labconfig/page_config.json
COPY cluster/enter cluster/end-account cluster/user-node cluster/user-doors cluster/give-examples cluster/healthy /usr/local/lib/cfiddle-slurm/
COPY examples /usr/local/share/cfiddle-slurm/examples
# CFiddle's as_df() uses what pandas has announced to drop; students can do nothing about it.
ENV SLURM_CONF_SERVER=controller \
    PYTHONWARNINGS="ignore:errors='ignore' is deprecated:FutureWarning"
LABEL cfiddle-slurm.role=user
ENTRYPOINT ["/usr/local/lib/cfiddle-slurm/user-node"]
