#!/usr/bin/env bash
# Move to another version: ./update.sh KUBERNETES ETCD, as in ./update.sh 1.36.3 v3.6.8
# The node of the test cluster is of the same version, so its module moves along.
set -euo pipefail
kubernetes=${1:?which Kubernetes, as in 1.36.3} etcd=${2:?which etcd, as in v3.6.8}
cd "$(dirname "$0")"

# k8s.io/kubernetes replaces its staging modules by folders of its own tree: the list is in its go.mod.
module=$(go mod download -json "k8s.io/kubernetes@v$kubernetes" | sed -n 's/.*"GoMod": "\(.*\)",*/\1/p')
staging=$(sed -n 's/^\s*\(k8s\.io\/[a-z-]*\) => .*/\1/p' "$module")

pin() {
    local name
    for name in $staging; do
        go mod edit -replace "$name=$name@v0.${kubernetes#1.}"
    done
    for name in $(sed -n 's/^\s*\(k8s\.io\/[a-z-]*\) => .*/\1/p' go.mod); do
        grep -qx "$name" <<< "$staging" || go mod edit -dropreplace "$name"
    done
    go mod edit -require "k8s.io/kubernetes@v$kubernetes" "$@"
    go mod tidy
}

pin -require "go.etcd.io/etcd/server/v3@$etcd"
cd ../cluster/node
pin
