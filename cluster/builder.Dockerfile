# Where the images' Python packages are installed; nothing of it but these goes into an image.
# pip.conf and ca-bundle.pem are made by `images build` from the settings of the machine it runs on.
FROM cfiddle-base:latest
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-pip \
    && rm -rf /var/lib/apt/lists/*
COPY pip.conf /etc/pip.conf
COPY ca-bundle.pem /build/ca-bundle.pem
