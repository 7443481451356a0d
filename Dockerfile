# FMU Gateway: REST, MCP and A2A on port 8080, everything that lasts in /data.
#   docker build --tag fmu-gateway . && docker run --init --publish 8080:8080 --volume fmu-gateway:/data fmu-gateway
# Python packages are pinned by hash; Debian's are the newest of their release, for its security fixes.

FROM debian:trixie-slim AS base

# Python, and libraries that models exported by other tools need.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates libgfortran5 libgomp1 libstdc++6 python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log


# The one compiler: it builds the gateway, and goes on in a root of its own for the compile jail.
FROM base AS compiler

# hadolint ignore=DL3008,DL3009
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ libc6-dev patchelf python3-venv
COPY deploy/compiler.sh /build/
RUN sh /build/compiler.sh /opt/compiler


FROM compiler AS build

COPY deploy/build-requirements.txt /build/
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes -r /build/build-requirements.txt
ENV PATH=/opt/build/bin:$PATH \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    VIRTUAL_ENV=/opt/gateway
RUN uv venv --python /usr/bin/python3 /opt/gateway

COPY requirements.txt /build/
# FMPy asks for CMake, to compile what the compile jail compiles here.
RUN uv pip install --require-hashes -r /build/requirements.txt \
    && uv pip uninstall cmake

COPY pyproject.toml hatch_build.py README.md LICENSE /build/
COPY agent_server /build/agent_server
COPY a2a /build/a2a
COPY tools /build/tools
COPY payments /build/payments
COPY library /build/library
COPY runs /build/runs
COPY simulation /build/simulation
COPY storage /build/storage
RUN uv build --wheel --no-build-isolation --python /opt/build/bin/python --out-dir /build/dist /build \
    && uv pip install --no-deps /build/dist/*.whl


FROM base AS runtime

RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin gateway \
    && install --directory --owner=gateway --group=gateway --mode=0700 /data
COPY --from=compiler /opt/compiler /opt/compiler
COPY --from=build /opt/gateway /opt/gateway

ARG REVISION=unknown
LABEL org.opencontainers.image.title="FMU Gateway" \
      org.opencontainers.image.description="Simulation models (FMUs) for agents, over MCP, A2A and REST" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="$REVISION"

# The database is named, so that a /data that can't be written to stops the start and is noticed.
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    CC="/opt/compiler/usr/bin/gcc --sysroot=/opt/compiler -B/opt/compiler/usr/bin" \
    HOST=0.0.0.0 \
    PORT=8080 \
    LOG_FORMAT=json \
    FMU_GATEWAY_DB_PATH=/data/fmu_gateway.sqlite3
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=4)"]


# Fly mounts volumes as root's, and its console is root's: hand over what is root's, then drop it for good.
FROM runtime AS fly
CMD ["sh", "-c", "chown --recursive --from=root gateway:gateway /data && exec setpriv --reuid=gateway --regid=gateway --init-groups --no-new-privs fmu-gateway serve"]


FROM runtime AS gateway
USER 10001:10001
CMD ["fmu-gateway", "serve"]
