#!/usr/bin/env bash
# What the Dockerfile runs, step by step, in a folder of its own: for machines without a Docker engine.
set -euo pipefail
cd "$(dirname "$0")/../.."
uv=${UV:-.venv/bin/uv}
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir "$home/app"
cp -r requirements pyproject.toml README.md LICENSE service templates "$home/app/"
cd "$home/app"
uv=$(cd "$OLDPWD" && realpath "$uv")
"$uv" venv -q "$home/venv"
"$uv" pip install -q --compile-bytecode --python "$home/venv/bin/python" --require-hashes -r requirements/run.lock
"$uv" pip install -q --compile-bytecode --python "$home/venv/bin/python" --no-deps .
rm -rf service
"$home/venv/bin/stagebell" check templates
port=$("$home/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
STAGEBELL_SECRET_KEY=steps-steps-steps-steps-steps-steps STAGEBELL_HTTP_PORT=$port STAGEBELL_LOG_FORMAT=json "$home/venv/bin/stagebell" run >"$home/log" 2>&1 &
pid=$!
probe="import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/readyz', timeout=2)"
for _ in $(seq 50); do
  if "$home/venv/bin/python" -c "$probe" 2>/dev/null; then ready=yes; break; fi
  sleep 0.2
done
kill -TERM $pid
wait $pid
if [ "${ready:-no}" != yes ]; then cat "$home/log"; exit 1; fi
echo "healthy, and stopped cleanly"
