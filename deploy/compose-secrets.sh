#!/bin/sh
# Makes .env with the passwords that compose.yaml asks for, once; they are known to nobody else.
set -eu
cd "$(dirname "$0")/.."
if [ -e .env ]; then
    echo ".env is there already" >&2
    exit 1
fi
umask 077
fresh() { od -An -N 32 -tx1 /dev/urandom | tr -d ' \n'; }
{
    echo "POSTGRES_PASSWORD=$(fresh)"
    echo "REDIS_PASSWORD=$(fresh)"
    echo "S3_ACCESS_KEY=gateway"
    echo "S3_SECRET_KEY=$(fresh)"
    echo "GATEWAY_SECRET=$(fresh)"
    echo "PUBLIC_BASE_URL=http://localhost:8080"
} >.env
echo "wrote .env"
