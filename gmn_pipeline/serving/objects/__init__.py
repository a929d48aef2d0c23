"""Objects over HTTP: the way into the lake of objects, and out of it.

    routes.py      the addresses, each with what it needs
    rights.py      who may do what: the one place that says so
    visits.py      a request to them: what it names, and what becomes of errors
    service.py     the parts that all of them work with
    told.py        objects as JSON, and what is said of them read from it
    reading.py     bytes of an object, whole or in parts
    listing.py     projects, containers, folders, search
    use.py         how the lake is used
    archive.py     a selection as one file
    sharing.py     addresses that hold for a time; sharing_key.py: what they are signed with
    shares.py      objects that are shared with one account
    writing.py     one object or place at a time
    batches.py     many objects in one request, all of them or none
    many.py        the same done to many objects, each told by itself
    crawls.py      many files as tables: crawl_routes.py, its addresses; crawler.py, a thread
    incoming.py    a request's body on its way to the disk
    uploads.py     uploads that are gone on with: their files
    tus.py         ... and their protocol; takeover.py: one request at a time at each

What does not belong here: the lake itself (`landing/objects.py`), which every way in shares.
"""
