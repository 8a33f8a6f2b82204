"""What the error codes of S3 servers mean; they differ by server."""

from collections.abc import Mapping

from core.errors import HuiyinError, NotFound, Refused, Unavailable

ABSENT = {"NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "ObjectNotFound"}
NO_LOCK_CONFIGURATION = {"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"}
BUCKET_IS_THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
_WRONG_KEY = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed"}
_MAY_PASS = {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted"}


def refusal(code: str, status: int, where: Mapping[str, object]) -> HuiyinError:
    """Our error for a server's ``code`` and HTTP status."""
    if code in ABSENT:
        return NotFound("no such version", **where)
    if code == "NoSuchBucket":
        return Unavailable("the bucket is not there", **where, remedy="create it with object lock, or let us")
    if code in _WRONG_KEY:
        return Unavailable("the object store rejects our key or secret", **where, code=code)
    if code in _MAY_PASS or status >= 500:
        return Unavailable("the object store failed", **where, code=code)
    return Refused("the object store refuses this", **where, code=code)
