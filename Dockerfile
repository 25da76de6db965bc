# The base is pinned by tag. Pin it by digest where a registry can be asked, in both FROM lines:
#   docker buildx imagetools inspect python:3.11-slim --format '{{.Manifest.Digest}}'   gives   python:3.11-slim@sha256:…
FROM python:3.11-slim AS build
WORKDIR /src
RUN mkdir /data \
 && python -m venv /opt/tools \
 && python -m venv --without-pip /opt/venv
COPY build.lock serve.lock ./
# A lock is the complete list: pip looks for nothing else, then checks that nothing is missing. Wheels only: nothing is
# compiled. `pip --python` installs into a virtual environment that has no pip itself.
RUN /opt/tools/bin/pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r build.lock \
 && /opt/tools/bin/pip check \
 && /opt/tools/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r serve.lock \
 && /opt/tools/bin/pip --python /opt/venv/bin/python check
COPY pyproject.toml README.md LICENSE NOTICE cds-hooks.json ./
COPY cds_service ./cds_service
COPY fhir_mapping ./fhir_mapping
COPY models ./models
RUN /opt/tools/bin/python -m hatchling build -t wheel -d dist \
 && /opt/tools/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-deps dist/imnm_cds-*.whl

FROM python:3.11-slim
COPY --from=build /opt/venv /opt/venv
# A new volume takes over the owner of the folder that it is mounted on.
COPY --from=build --chown=10001:10001 /data /data
ENV PATH="/opt/venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# What a large chart took goes back to the system (docs/operations.md); `docker run -e GLIBC_TUNABLES=` switches it off.
ENV GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=1048576:glibc.malloc.trim_threshold=1048576
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# http.client, as it never asks a proxy of the environment.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python", "-I", "-c", \
  "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8080, timeout=3); c.request('GET', '/health'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["imnm-cds"]
CMD ["serve", "--host", "0.0.0.0", "--config", "/etc/imnm-cds.toml"]
