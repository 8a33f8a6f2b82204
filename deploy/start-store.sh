#!/bin/sh
# Starts SeaweedFS as one node: one S3 identity, TLS, signed requests between its parts, and a sync after each write.
# Object lock needs versions, which the bucket is created with.  The defaults are those of docker-compose.yml.
set -eu
umask 077
: "${DATA:=/data}" "${RUN:=/tmp/store}" "${TLS:=/tls}" "${BIND:=0.0.0.0}"
: "${ADDRESS:=$(hostname -i | cut -d' ' -f1)}"
: "${S3_PORT:=8333}" "${MASTER_PORT:=9333}" "${FILER_PORT:=8888}" "${VOLUME_PORT:=9340}" "${ADMIN_PORT:=23646}"
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

mkdir -p "$RUN"
cd "$RUN"
rm -f durable
cat >s3.json <<IDENTITY
{"identities": [{"name": "huiyin", "credentials": [{"accessKey": "$S3_KEY", "secretKey": "$S3_SECRET"}],
                 "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
IDENTITY
printf '[jwt.signing]\nkey = "%s"\n[jwt.filer_signing]\nkey = "%s"\n' "$(random)" "$(random)" >security.toml

# The setting is kept in the store; asking for it at each start does no harm.  `durable` tells the health check.
# The shell prints what it is about to save, so its own word is no proof: the setting is read back.  Its output goes
# through no pipe to `grep -q`, which leaves at the first match and so ends the shell before it has saved.
store_shell() { echo "$1" | weed shell -master="$ADDRESS:$MASTER_PORT" -filer="$ADDRESS:$FILER_PORT" 2>/dev/null; }
is_durable() {
  case "$(store_shell fs.configure)" in *'"fsync":'*true*) return 0 ;; *) return 1 ;; esac
}
make_durable() {
  until is_durable; do
    store_shell "fs.configure -locationPrefix=/buckets/ -fsync -apply" >/dev/null || true
    sleep 0.2
  done
  touch durable
}
make_durable &

exec weed -logtostderr=true mini -dir="$DATA" -ip="$ADDRESS" -ip.bind="$BIND" \
  -master.telemetry=false -webdav=false -admin.ui=false -s3.port.iceberg=0 -s3.port.lance=0 \
  -volume.max=5000 -master.volumeSizeLimitMB=1024 -s3.config=s3.json \
  -s3.autoCreateBucket=false -s3.allowDeleteBucketNotEmpty=false \
  -s3.cert.file="$TLS/store.pem" -s3.key.file="$TLS/store.key" \
  -s3.port="$S3_PORT" -master.port="$MASTER_PORT" -filer.port="$FILER_PORT" -volume.port="$VOLUME_PORT" \
  -admin.port="$ADMIN_PORT"
