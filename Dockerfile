# The quickstart, and a place to use tunebench from:
#   docker build --tag tunebench .
#   docker run --rm tunebench
#   docker run --rm -it -v "$PWD/results:/home/tunebench/tunebench/results" tunebench bash
FROM python:3.11-slim-bookworm

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 tunebench \
    && install --directory --owner=tunebench /home/tunebench/tunebench

USER 1000
WORKDIR /home/tunebench/tunebench
COPY --chown=tunebench . .
ENV PIP_NO_CACHE_DIR=1
RUN make core
ENV PATH=/home/tunebench/tunebench/.venv/bin:$PATH

CMD ["make", "quickstart"]
