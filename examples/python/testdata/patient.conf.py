"""The example's configuration, with more time to say goodbye in than a second, which is not enough on a busy machine."""
import runpy

globals().update(runpy.run_path('gunicorn.conf.py'))

fedscrape_worker.BUDGET = 20  # noqa: F821
