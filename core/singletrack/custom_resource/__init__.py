"""The TaskRun resource, as pure functions and tables: what users write and what the operator shows.

`manifest` turns a resource into a request and back, `status` turns a run's record into the
resource's status, `definition` makes the CustomResourceDefinition from the tables in `spec_fields`
and `status_fields`. Nothing here talks to a server; adapters and the operator do.
"""

GROUP = "singletrack.dev"
VERSION = "v1alpha1"
KIND = "TaskRun"
PLURAL = "taskruns"
SINGULAR = "taskrun"
SHORT_NAME = "strun"
CATEGORY = "singletrack"
API_VERSION = f"{GROUP}/{VERSION}"
RESOURCE = f"{PLURAL}.{GROUP}"
"""The name for scripts and documents: Tekton has a kind `TaskRun` too."""

#: Selects the TaskRuns that have not ended: the field is absent until then, and selects as empty.
UNFINISHED = "status.completionTime="
FINISHED = "status.completionTime!="

MAX_INLINE_RESULT_BYTES = 4096
MAX_TRACEBACK_BYTES = 2048
MAX_MESSAGE_LENGTH = 1024
MAX_REASON_LENGTH = 256
