"""Jobs as UWS 1.1 has them in XML.

What belongs here: the documents. What does not: what is in them (`job.py`).
"""

from collections.abc import Iterator
from datetime import datetime

from gmn_pipeline.serving.formats.frames import xml
from gmn_pipeline.serving.tap.jobs.job import Job, Phase

_NAMES = (
    'xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
NO_JOBS = f'{_HEAD}<uws:jobs version="1.1" {_NAMES}/>\n'
"""The list of jobs: nobody sees those of others."""


def job_document(job: Job, address: str) -> str:
    """`address` is that of the job."""
    return f'{_HEAD}<uws:job version="1.1" {_NAMES}>\n{"".join(_job(job, address))}</uws:job>\n'


def parameters_document(job: Job) -> str:
    return _alone("parameters", _parameters(job))


def results_document(job: Job, address: str) -> str:
    return _alone("results", _results(job, address))


def _alone(name: str, content: str) -> str:
    return f"{_HEAD}<uws:{name} {_NAMES}>{content}</uws:{name}>\n"


def _job(job: Job, address: str) -> Iterator[str]:
    yield f"<uws:jobId>{xml(job.id)}</uws:jobId>\n"
    if "RUNID" in job.parameters:
        yield f"<uws:runId>{xml(job.parameters['RUNID'])}</uws:runId>\n"
    yield '<uws:ownerId xsi:nil="true"/>\n'
    yield f"<uws:phase>{job.phase}</uws:phase>\n"
    yield '<uws:quote xsi:nil="true"/>\n'
    yield f"<uws:creationTime>{utc(job.created_at)}</uws:creationTime>\n"
    yield _time("startTime", job.started_at)
    yield _time("endTime", job.ended_at)
    yield f"<uws:executionDuration>{round(job.duration_s)}</uws:executionDuration>\n"
    yield f"<uws:destruction>{utc(job.removed_at)}</uws:destruction>\n"
    yield f"<uws:parameters>{_parameters(job)}</uws:parameters>\n"
    yield f"<uws:results>{_results(job, address)}</uws:results>\n"
    if job.phase is Phase.ERROR:
        yield (
            '<uws:errorSummary type="fatal" hasDetail="true">'
            f"<uws:message>{xml(job.failure or '')}</uws:message></uws:errorSummary>\n"
        )


def _time(name: str, value: datetime | None) -> str:
    if value is None:
        return f'<uws:{name} xsi:nil="true"/>\n'
    return f"<uws:{name}>{utc(value)}</uws:{name}>\n"


def utc(value: datetime) -> str:
    return f"{value.isoformat(timespec='seconds')}Z"


def _parameters(job: Job) -> str:
    return "".join(
        f'<uws:parameter id="{xml(name.lower())}">{xml(text)}</uws:parameter>'
        for name, text in job.parameters.items()
    )


def _results(job: Job, address: str) -> str:
    if job.written is None or job.phase is not Phase.COMPLETED:
        return ""
    kind = xml(job.written.media_type)
    return (
        f'<uws:result id="result" xlink:type="simple" xlink:href="{xml(address)}/results/result" '
        f'size="{job.written.size}" mime-type="{kind}"/>'
    )
