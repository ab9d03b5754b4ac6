# The service in an image of its own: the binary, certificates to verify TMDb and the engines with,
# and nothing that runs as root.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /watchme
COPY . .
# Shown by `watchme_build_info`.
ARG WATCHME_REVISION=unknown
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/watchme/target \
    cargo build --release --locked --bin watchme && cp target/release/watchme /usr/local/bin/watchme

FROM debian:bookworm-slim
# hadolint ignore=DL3008 the newest certificates are the point
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home watchme \
    && install --directory --owner 10001 /var/lib/watchme
COPY --from=build /usr/local/bin/watchme /usr/local/bin/watchme
USER 10001
WORKDIR /var/lib/watchme
# For the embedded way; with all three engines nothing is written.
VOLUME /var/lib/watchme
ENV WATCHME_LISTEN=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["watchme"]
