# Installs one component into /opt/singletrack at the versions of uv.lock, each checked by its hash.
# Used by the Dockerfile: install.sh COMPONENT [with-pip]
set -eu
uv=/build/bin/uv
target=/opt/singletrack

if [ "${2:-}" = with-pip ]; then
    python3 -m venv "$target" # task authors install on top of it
else
    python3 -m venv --without-pip "$target"
fi
"$uv" export --quiet --frozen --no-dev --no-emit-project --extra "$1" --output-file /wheels/locked.txt
"$uv" pip install --quiet --python "$target/bin/python" --require-hashes --requirements /wheels/locked.txt
"$uv" pip install --quiet --python "$target/bin/python" --no-deps /wheels/*.whl
