#!/usr/bin/env bash
# Makes the secrets of docker-compose.yml, once, in ./secrets; what is there stays as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 077
mkdir -p secrets
word() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
# The folder is its owner's alone; the files can be read by the containers' users, to whom they are given one by one.
put() { [ -e "secrets/$1" ] || { printf '%s\n' "$2" >"secrets/$1"; chmod 444 "secrets/$1"; }; }
put secret_key "$(word)"
put postgres_password "$(word)"
put rabbitmq_password "$(word)"
postgres=$(cat secrets/postgres_password) rabbitmq=$(cat secrets/rabbitmq_password)
put database_url "postgresql+asyncpg://stagebell:$postgres@postgres/stagebell"
put broker_url "amqp://stagebell:$rabbitmq@rabbitmq/"
put rabbitmq.conf "default_user = stagebell
default_pass = $rabbitmq"
echo "The secrets are in $(pwd)/secrets. Keep secret_key: what is stored is sealed with it."
