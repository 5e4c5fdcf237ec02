# dptscope's base package on a server: depth and norms of photos with exported models, without PyTorch and without a screen.
#
#     docker build -t dptscope . && docker run --rm -v "$PWD:/work" dptscope depth MODEL.onnx PHOTO.jpg -o out
#
# `.ci/bare_root` does the same, line by line, in an empty Debian.
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN python3 -m venv /opt/dptscope && /opt/dptscope/bin/pip install --no-cache-dir /src && rm -rf /src
ENV PATH=/opt/dptscope/bin:$PATH
USER 1000:1000
WORKDIR /work
ENTRYPOINT ["dptscope"]
CMD ["--help"]
