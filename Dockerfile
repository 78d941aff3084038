# The app and the command line in a container, as an ordinary user. docs/scale.md has the commands.
#
#   docker build -t kdcore .                              processors only
#   docker build -t kdcore-cuda --build-arg DEVICE=cuda . CUDA; start it with --gpus all
#   --build-arg CLUSTER=1                                 with Ray and Optuna, for the workers of a cluster

ARG PYTHON=3.12
FROM python:${PYTHON}-slim

ARG DEVICE=cpu
ARG CLUSTER=0
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1

RUN useradd --create-home --uid 1000 kd \
    && mkdir -p /work/runs /work/data \
    && chown -R kd:kd /work
WORKDIR /app

# KubeRay checks the health of a pod with wget. Debian keeps no earlier version of a package to pin.
# hadolint ignore=DL3008
RUN if [ "$CLUSTER" = 1 ]; then \
      apt-get update && apt-get install --yes --no-install-recommends wget && rm -rf /var/lib/apt/lists/*; \
    fi

# Packages in a layer of their own, which a change of the code leaves as it is.
COPY requirements.txt requirements-cluster.txt ./
RUN sed '/^# Development/,$d' requirements.txt > app.txt \
    && grep -E '^torch(vision)?==' app.txt > torch.txt \
    && if [ "$DEVICE" = cpu ]; then \
         pip install --index-url https://download.pytorch.org/whl/cpu -r torch.txt; \
       else \
         pip install -r torch.txt; \
       fi \
    && pip install -r app.txt \
    && if [ "$CLUSTER" = 1 ]; then pip install -r requirements-cluster.txt; fi \
    && rm app.txt torch.txt

COPY pyproject.toml README.md LICENSE app.py ./
COPY .streamlit ./.streamlit
COPY assets ./assets
COPY deploy/start.sh ./deploy/start.sh
COPY kdcore ./kdcore
COPY pages ./pages
RUN pip install --no-deps --editable . && chmod 755 deploy/start.sh

USER 1000
ENV KD_RUNS=/work/runs KD_DATA=/work/data PORT=8501
VOLUME ["/work"]
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/_stcore/health')"]
CMD ["/app/deploy/start.sh"]
