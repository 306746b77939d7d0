# The images of the platform: one stage builds the wheel, one each installs a component with exactly the
# versions of uv.lock, and the image itself has neither compiler nor cache.
#
#   buildah build --target worker --tag singletrack-worker .     (or docker build, or podman build)
#
# The base needs Python 3.11 or newer, and nothing else of it is used.
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS build
RUN python3 -m venv /build && /build/bin/pip install --no-cache-dir "uv>=0.9"
WORKDIR /source
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY core core
COPY api api
COPY worker worker
COPY operator operator
COPY cli cli
COPY k8s k8s
# The certificates of the system, so that a registry behind an own authority is reached by mounting them.
ENV UV_SYSTEM_CERTS=1 UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
RUN /build/bin/uv build --wheel --out-dir /wheels

FROM build AS install-api
RUN sh k8s/images/install.sh api

FROM build AS install-worker
RUN sh k8s/images/install.sh worker with-pip

FROM build AS install-operator
RUN sh k8s/images/install.sh operator

FROM build AS install-cli
RUN sh k8s/images/install.sh cli

# What all images share. The user is a number, so that Kubernetes can see that it is not root; any
# other number does as well, because nothing in the image is written.
FROM ${BASE} AS runtime
ENV PATH=/opt/singletrack/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
USER 65532:65532

FROM runtime AS api
COPY --from=install-api /opt/singletrack /opt/singletrack
ENTRYPOINT ["singletrack-api"]

# Its main process is PID 1. Tasks come on top: FROM this image, one `pip install`, SINGLETRACK_TASKS.
FROM runtime AS worker
COPY --from=install-worker /opt/singletrack /opt/singletrack
ENTRYPOINT ["singletrack-worker"]

FROM runtime AS operator
COPY --from=install-operator /opt/singletrack /opt/singletrack
ENTRYPOINT ["python", "-m", "singletrack_operator"]

FROM runtime AS cli
COPY --from=install-cli /opt/singletrack /opt/singletrack
ENTRYPOINT ["singletrack"]
