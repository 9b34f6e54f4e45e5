# A relay for a site: docs/install.md says how to run it.
# Build it from the root of a checkout: docker build -f config/docker/relay.Dockerfile -t rankcast-relay .
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY config/systemd config/systemd
COPY scripts scripts
COPY common common
COPY sender sender
COPY receiver receiver
COPY relay relay
# The compiler of the native core is a wheel too, and stays in this stage.
RUN pip wheel --no-deps --wheel-dir /wheels .
# There is no libGL here: the second command takes the OpenCV without windows.
RUN python -m venv /opt/rankcast \
    && /opt/rankcast/bin/pip install /wheels/*.whl \
    && /opt/rankcast/bin/python scripts/opencv_fallback.py \
    && /opt/rankcast/bin/rankcast --version

FROM ${BASE}
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/rankcast --create-home \
        --shell /usr/sbin/nologin rankcast \
    && install -d -o rankcast -g rankcast -m 0700 /etc/rankcast/keys
COPY --from=build /opt/rankcast /opt/rankcast
ENV PATH=/opt/rankcast/bin:$PATH PYTHONDONTWRITEBYTECODE=1
# Of `--metrics`; HEALTHCHECK asks there. Each end has its own, for containers in the host's network.
ENV RANKCAST_RELAY__METRICS__LISTEN=127.0.0.1:9466
USER 10001:10001
WORKDIR /var/lib/rankcast
# Ports of frames and of control.
EXPOSE 6000 6010
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-c", "import os, urllib.request as r; r.urlopen('http://' + os.environ['RANKCAST_RELAY__METRICS__LISTEN'] + '/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["rankcast", "relay"]
