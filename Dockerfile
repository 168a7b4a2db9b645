# A static program in an image without a shell, run by a user without rights.
#
#   docker build -t downpour .
#   docker run --rm -v "$PWD:/work" -w /work downpour inspect access.log.gz
#
# The first stage builds a static binary for the machine's own architecture.

FROM rust:1.95-alpine3.22 AS build
RUN apk add --no-cache build-base=~0.5 cmake=~3.31 perl=~5.40
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist && install -D target/dist/downpour /out/usr/bin/downpour \
    && install -D -m 644 LICENSE /out/usr/share/doc/downpour/LICENSE \
    && install -d -m 755 -o 65532 -g 65532 /out/work

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out /
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/usr/bin/downpour"]
CMD ["--help"]
