import os
import sys

sys.path.insert(0, os.environ['FEDSCRAPE_HELPER'])

import fedscrape_worker  # noqa: E402

if 'BUDGET' in os.environ:
    fedscrape_worker.BUDGET = float(os.environ['BUDGET'])

workers = 4


def post_worker_init(worker):
    fedscrape_worker.start('webapp')
