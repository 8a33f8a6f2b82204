"""What is told of a piece of work that failed: to people by its kind, to machines besides in technical words."""

from api.masking import mask_text
from api.models import FailureView
from core.jobs import DONE, FAILED, JobRow


def failure_view(job: JobRow | None) -> FailureView | None:
    """Why the work waits or failed for good; nothing where it did neither."""
    if job is None or job.state == DONE or not job.error:
        return None
    return FailureView(
        id=job.id,
        kind=job.error_kind,
        said=mask_text(job.error_said),
        text=mask_text(job.error),
        final=job.state == FAILED,
    )
