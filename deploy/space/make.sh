#!/bin/sh
# Writes the files of a Hugging Face Space into a folder: the Dockerfile, what it copies, and the Space's README with its header.
#
#   deploy/space/make.sh FOLDER      FOLDER: an empty one, or a clone of the Space
set -eu
if [ $# -ne 1 ]; then
    echo "usage: deploy/space/make.sh FOLDER" >&2
    exit 2
fi
cd "$(dirname "$0")/../.."
mkdir -p "$1/deploy" "$1/.streamlit"
cp Dockerfile .dockerignore requirements.txt requirements-cluster.txt pyproject.toml LICENSE app.py "$1"
cp .streamlit/config.toml "$1/.streamlit"
cp deploy/start.sh "$1/deploy"
cp deploy/space/README.md "$1/README.md"
for part in assets kdcore pages; do
    rm -rf "${1:?}/$part"
    cp -R "$part" "$1/$part"
    find "$1/$part" -name __pycache__ -prune -exec rm -rf {} +
done
# the hub stores large files by git-lfs
printf '%s\n' '*.safetensors filter=lfs diff=lfs merge=lfs -text' '*.npz filter=lfs diff=lfs merge=lfs -text' \
    '*.png filter=lfs diff=lfs merge=lfs -text' > "$1/.gitattributes"
echo "The Space is in $1. Commit and push it there; set KD_PASSCODE as a secret in the Space's settings."
