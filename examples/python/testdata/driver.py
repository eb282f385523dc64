"""Runs the lines of code that a test sends, and answers each with its value; ends as a script does when they end."""
import json
import os
import signal
import sys
import threading
import time

import prometheus_client

import fedscrape_worker as fw

if os.environ.get('BUDGET'):
    fw.BUDGET = float(os.environ['BUDGET'])
scope = dict(globals())
for line in sys.stdin:
    code = json.loads(line)
    try:
        code = compile(code, 'test', 'eval')
    except SyntaxError:
        code = compile(code, 'test', 'exec')
    print(json.dumps(eval(code, scope)), flush=True)
