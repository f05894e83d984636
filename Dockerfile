# Two stages: the second has the tool, what it imports and git, and no compiler, cache or source.
#
#     docker build --tag amplitude-flag-reconciler:0.1.0 .
#     docker run --rm --env AMPLITUDE_MANAGEMENT_API_KEY --volume "$PWD:/flags:ro" amplitude-flag-reconciler:0.1.0 plan
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY requirements ./requirements
COPY reconciler ./reconciler
COPY schemas ./schemas
RUN python -I -m venv /opt/reconciler \
    && /opt/reconciler/bin/python -I -m pip install --no-cache-dir --no-compile \
        --require-hashes --requirement requirements/run.txt \
    && python -I -m pip install --no-cache-dir --require-hashes --requirement requirements/build.txt \
    && python -I -m pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/reconciler/bin/python -I -m pip install --no-cache-dir --no-compile --no-deps dist/*.whl

FROM python:3.11-slim
# git tells since when a value is declared: for rollouts, emergency switches and drift.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/reconciler /opt/reconciler
ENV PATH=/opt/reconciler/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1
WORKDIR /flags
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
ENTRYPOINT ["reconciler"]
CMD ["--help"]
