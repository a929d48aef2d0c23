"""Objects by their type: what is read out of them.

What belongs here: processors, a module each, and the process of its own that they work in. What
does not: which objects wait and what becomes of the outcome (`flows/object_processing.py`), and
the tables that rows go into (`warehouse/objects/`).

    processor.py   what a processor is given and gives; who adds one reads this
    registry.py    which processors there are: those of entry points
    workshop.py    lets one work on an object, within limits
    worker.py      the process that does it, by a child for each object
    outcomes.py    outcomes as files between the two
    tables.py      CSV, JSON, Parquet: their rows
    table_groups.py  which of many files are of one table
    astronomical.py  FITS and VOTable as tables, by astropy
    spreadsheets.py  sheets as tables, by fastexcel
    images.py      images: dimensions, previews, sources and streaks
    detecting.py   what stands out of an image
    detector.py    a model of one's own for images
    exif.py        what a camera wrote into a picture
    videos.py      films: facts, and some frames
    rms.py         files of RMS cameras
    documents.py   texts, PDF
    readings.py    measurements in JSON, by a template
"""
