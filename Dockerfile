# FMU Gateway: REST, MCP and A2A on port 8080, everything that lasts in /data.
#   docker build -t fmu-gateway . && docker run -p 8080:8080 -v fmu-gateway:/data fmu-gateway

FROM python:3.11-slim AS base

# The one compiler: it builds the model library, and in its jail the uploads that are sources.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*


FROM base AS build

RUN python -m venv /opt/gateway
ENV PATH=/opt/gateway/bin:$PATH

COPY requirements.txt /build/
RUN pip install --no-cache-dir --require-hashes -r /build/requirements.txt

COPY pyproject.toml hatch_build.py README.md LICENSE /build/
COPY agent_server /build/agent_server
COPY a2a /build/a2a
COPY tools /build/tools
COPY payments /build/payments
COPY library /build/library
COPY runs /build/runs
COPY simulation /build/simulation
COPY storage /build/storage
RUN pip install --no-cache-dir --no-deps /build


FROM base AS runtime

RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin gateway \
    && install --directory --owner=gateway --group=gateway --mode=0700 /data
COPY --from=build /opt/gateway /opt/gateway

# The database is named, so that a /data that can't be written to stops the start and is noticed.
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
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


# Fly mounts volumes as root's: hand /data over, then drop root for good.
FROM runtime AS fly
CMD ["sh", "-c", "chown gateway:gateway /data && exec setpriv --reuid=gateway --regid=gateway --init-groups --no-new-privs fmu-gateway serve"]


FROM runtime AS gateway
USER 10001:10001
CMD ["fmu-gateway", "serve"]
