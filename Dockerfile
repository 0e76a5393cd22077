# syntax=docker/dockerfile:1
# The declip server, as an unprivileged user:
#
#   docker build -t declip .
#   docker run --rm --read-only --cap-drop=ALL -p 127.0.0.1:8080:8080 declip
#
# Localize a picture of the current directory; the results belong to the caller:
#
#   docker run --rm --read-only --user "$(id -u):$(id -g)" -v "$PWD:/work" declip localize photo.jpg
#
# Nothing is written outside /work and /models. Mount a volume at /models for downloaded models.

# ONNX Runtime, of the version pinned in scripts/onnxruntime, with its hash checked by npm.
FROM node:22-bookworm-slim AS onnxruntime
ARG TARGETARCH
WORKDIR /onnxruntime
COPY scripts/onnxruntime/package.json scripts/onnxruntime/package-lock.json ./
# --ignore-scripts: the package's own script would download CUDA libraries.
RUN npm ci --ignore-scripts --no-audit --no-fund --loglevel=error \
	&& case "$TARGETARCH" in amd64) arch=x64 ;; *) arch=$TARGETARCH ;; esac \
	&& cp node_modules/onnxruntime-node/bin/napi-v*/linux/"$arch"/libonnxruntime.so.1 /libonnxruntime.so.1

FROM golang:1.26-bookworm AS build
ARG VERSION=""
ARG COMMIT=""
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=1 go build -trimpath -buildvcs=false \
	-ldflags "-s -w -X github.com/declip/declip/internal/cli.Version=$VERSION -X github.com/declip/declip/internal/cli.Commit=$COMMIT" \
	-o /declip ./cmd/declip

FROM debian:bookworm-slim
# ONNX Runtime is written in C++; certificates are for "declip models pull" and --allow-fetch.
RUN apt-get update \
	&& apt-get install -y --no-install-recommends libstdc++6 ca-certificates \
	&& rm -rf /var/lib/apt/lists/* \
	&& install -d -o 65532 -g 65532 /models /work
COPY --from=onnxruntime /libonnxruntime.so.1 /usr/local/lib/libonnxruntime.so.1
COPY --from=build /declip /usr/local/bin/declip
COPY LICENSE /usr/share/doc/declip/LICENSE
COPY scripts/onnxruntime/LICENSE /usr/share/doc/declip/LICENSE.onnxruntime
ENV DECLIP_MODELS=/models HOME=/work
WORKDIR /work
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
	CMD ["declip", "serve", "--check"]
ENTRYPOINT ["declip"]
CMD ["serve", "--addr", "0.0.0.0:8080"]
