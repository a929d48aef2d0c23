"""`gmn objects`: the lake of objects.

What belongs here: which commands there are. What does not: commands themselves.
"""

from gmn_pipeline.cli.lazy import group

app = group(
    {
        "make": ("objects_catalogue", "make"),
        "put": ("objects_files", "put"),
        "get": ("objects_files", "get"),
        "sync": ("objects_files", "sync"),
        "watch": ("objects_files", "watch"),
        "publish": ("objects_topic", "publish"),
        "take-in": ("objects_topic", "take_in"),
        "refused": ("objects_topic", "refused"),
        "s3": ("objects_s3", "s3"),
        "ls": ("objects_find", "ls"),
        "find": ("objects_find", "find"),
        "history": ("objects_find", "history"),
        "share": ("objects_share", "share"),
        "cp": ("objects_catalogue", "cp"),
        "mv": ("objects_catalogue", "mv"),
        "rm": ("objects_catalogue", "rm"),
        "restore": ("objects_catalogue", "restore"),
        "describe": ("objects_catalogue", "describe"),
        "verify": ("objects_catalogue", "verify"),
        "sweep": ("objects_catalogue", "sweep"),
        "crawl": ("objects_crawl", "crawl"),
        "crawls": ("objects_crawl", "crawls"),
        "crawl-accept": ("objects_crawl", "accept_crawled"),
        "crawl-forget": ("objects_crawl", "forget_crawl"),
        "process": ("objects_process", "process"),
        "reprocess": ("objects_process", "reprocess_again"),
        "accept": ("objects_process", "accept_table"),
        "rules": ("objects_process", "rules"),
        "runs": ("objects_process", "show_runs"),
    },
    "The lake of objects: files of any kind, with what is said of them.",
)
