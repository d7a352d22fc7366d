# One image for API, worker and Prefect server; the command says which. Runs without root.
FROM python:3.12-slim AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements.lock ./
RUN /venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY tasks tasks
COPY api api
COPY flows flows
COPY deployments deployments
RUN /venv/bin/pip install --no-cache-dir --no-build-isolation --no-deps .

FROM python:3.12-slim
# Fonts for title cards and the sandbox's clips; without them letters outside ASCII are left out of the pictures.
RUN apt-get update && apt-get install -y --no-install-recommends fonts-dejavu-core fonts-noto-cjk \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 storyreel \
    && install -d -o storyreel -g storyreel /data
COPY --from=build /venv /venv
COPY examples /app/examples
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 STORYREEL_DATA=/data PREFECT_HOME=/data/prefect
WORKDIR /app
USER storyreel
VOLUME /data
EXPOSE 8000 4200
CMD ["storyreel", "up", "--host", "0.0.0.0"]
