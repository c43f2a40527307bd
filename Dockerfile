# Two stages: one with the tools that build, one with what runs. `make docker-steps` runs the same steps without Docker.
FROM python:3.13.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir uv==0.13.9
COPY requirements/run.lock requirements/run.lock
RUN /venv/bin/uv pip install --compile-bytecode --python /venv/bin/python --require-hashes -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY service service
COPY templates templates
RUN /venv/bin/uv pip install --compile-bytecode --python /venv/bin/python --no-deps . && /venv/bin/uv pip uninstall --python /venv/bin/python uv

FROM python:3.13.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home stagebell
WORKDIR /app
COPY --from=build /venv /venv
COPY templates templates
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 STAGEBELL_HTTP_HOST=0.0.0.0 STAGEBELL_LOG_FORMAT=json
USER stagebell
EXPOSE 8080
# Whether to restart the process; whether to send it work is for a load balancer to ask, at /readyz: a broker that is away
# is no reason to end a process that waits for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["stagebell", "run"]
