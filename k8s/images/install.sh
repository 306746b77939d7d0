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
set -- "$1" --extra "$1"
if [ "$1" != cli ]; then # a command is over in a moment, and records no spans
    set -- "$@" --extra tracing
fi
shift
"$uv" export --quiet --frozen --no-dev --no-emit-project "$@" --output-file /wheels/locked.txt
"$uv" pip install --quiet --python "$target/bin/python" --require-hashes --requirements /wheels/locked.txt
"$uv" pip install --quiet --python "$target/bin/python" --no-deps /wheels/*.whl
