#!/bin/sh
# Starts the app for everybody who reaches the container; the log has the operator's passcode, unless KD_PASSCODE sets one.
set -eu
# A Space's own host name; elsewhere KD_HOSTS names the proxies in front of the container.
export KD_HOSTS="${KD_HOSTS:-${SPACE_HOST:-}}"
mkdir -p "$KD_RUNS" "$KD_DATA"
exec python -m streamlit run app.py --server.address 0.0.0.0 --server.port "$PORT" --server.headless true
