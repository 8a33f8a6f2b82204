#!/bin/sh
# Starts SeaweedFS as one node with one S3 identity.  Object lock needs versions, which the bucket is created with.
set -eu
umask 077
cat >/tmp/s3.json <<IDENTITY
{"identities": [{"name": "huiyin", "credentials": [{"accessKey": "$S3_KEY", "secretKey": "$S3_SECRET"}],
                 "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
IDENTITY
exec weed -logtostderr=true mini -dir=/data -ip="$(hostname -i | cut -d' ' -f1)" -ip.bind=0.0.0.0 \
  -master.telemetry=false -webdav=false -admin.ui=false -s3.port.iceberg=0 -s3.port.lance=0 \
  -volume.max=5000 -master.volumeSizeLimitMB=1024 -s3.port=8333 -s3.config=/tmp/s3.json \
  -s3.autoCreateBucket=false -s3.allowDeleteBucketNotEmpty=false
