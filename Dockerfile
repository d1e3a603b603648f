# The app in a container, as a server runs it: PyTorch without CUDA, a user without rights. docs/SERVER.md says how it is used.
FROM python:3.12-slim-bookworm

# For a GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130, and the NVIDIA container toolkit on the host.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1

# A layer of its own: it is most of the image, and does not change with the program.
RUN pip install "torch>=2.11,<2.16" "torchvision>=0.26,<0.31" --index-url "${TORCH_INDEX}"

COPY . /source
# The second line puts the script of the charts beside the pages, where the user below could not write it.
RUN pip install "/source[server,gpu,svhn]" && rm -r /source && \
    python -c "from appcore.ui.widgets.live_chart import serve_script; serve_script()"

RUN useradd --create-home --home-dir /lab --uid 1000 lab && install -d -o lab /lab/runs /lab/data
USER 1000
WORKDIR /lab

EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://localhost:8501/_stcore/health', timeout=4)"]

CMD ["pruning-lab", "dashboard", "--address", "0.0.0.0", "--port", "8501", "--no-browser"]
