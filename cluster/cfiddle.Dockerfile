# CFiddle as one wheel, whether it comes as a version, as a wheel or as sources: all images have the same bytes.
FROM cfiddle-builder:latest
COPY cluster/install-packages /build/
COPY packages/cfiddle /build/packages
RUN /build/install-packages wheel --no-deps --wheel-dir=/build/cfiddle \
    && ls /build/cfiddle/cfiddle-*.whl
