"""Run the stand-in as a process of its own: prints its address, serves until it is killed."""

from __future__ import annotations

import argparse
import sys

from stripe_standin.server import serve

parser = argparse.ArgumentParser(prog="python -m stripe_standin", description=__doc__)
parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
server = serve(parser.parse_args().port)
sys.stdout.write(f"{server.stripe.base_url}\n")
sys.stdout.flush()
server.serve_forever()
