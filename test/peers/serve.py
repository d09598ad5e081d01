"""The protocol of a competitor: a line of JSON on stdin, a line on stdout."""
import json
import sys
import time


def timed(work):
    start = time.perf_counter()
    work()
    return {"seconds": time.perf_counter() - start}


def serve(competitor):
    for line in sys.stdin:
        ask = json.loads(line)
        if ask["call"] == "check":
            answer = competitor.check()
        elif ask["call"] == "train":
            answer = timed(lambda: competitor.train(ask["steps"]))
        else:
            answer = timed(lambda: competitor.score(ask["batches"]))
        print(json.dumps(answer), flush=True)
