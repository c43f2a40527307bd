#!/usr/bin/env bash
# The real parts that tests talk to: RabbitMQ, PostgreSQL, PgBouncer, HAProxy, Postfix, Chromium, promtool, a compiler, and a clock that can be made to jump. Installed where that is allowed, else named.
set -eu
missing=()
command -v rabbitmq-server >/dev/null || [ -x /usr/sbin/rabbitmq-server ] || missing+=(rabbitmq-server)
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing+=(postgresql)
ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || missing+=(faketime)
# As root alone can start it, so can its tests.
[ -x /usr/lib/postfix/sbin/master ] || missing+=(postfix)
command -v chromium-headless-shell >/dev/null || missing+=(chromium-headless-shell fonts-noto-core)
[ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
[ -x /usr/sbin/haproxy ] || missing+=(haproxy)
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
command -v promtool >/dev/null || missing+=(prometheus)  # RUNLEVEL below keeps it from starting
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests need: ${missing[*]}. Install them, for example: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
apt-get update -qq >/dev/null
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
