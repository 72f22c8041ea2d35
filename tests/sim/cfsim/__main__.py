"""The simulator as a program: prints one line of JSON and runs until it is ended."""
import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import threading

from . import certs, openapi, scenario
from .clock import Clock
from .server import BASE, Listener, Simulator
from .world import World


def arguments():
    parser = argparse.ArgumentParser(prog="simulator", description=(
        "A simulated Cloudflare (REST, GraphQL) and Telegram. Prints one line of JSON with its URLs, account, tokens "
        "and control URL, and runs until it is ended."))
    parser.add_argument("--port", type=int, default=0, help="of HTTP (default: a free one)")
    parser.add_argument("--tls-port", type=int, default=0, help="of TLS (default: a free one)")
    parser.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="to listen on (default: %(default)s)")
    parser.add_argument("--names", default="", metavar="DNS:NAME,IP:ADDRESS", help="further names of the certificate")
    parser.add_argument("--scenario", metavar="NAME", help=", ".join(scenario.names()))
    parser.add_argument("--speed", type=float, default=1.0, metavar="N", help="time runs N times as fast")
    parser.add_argument("--anchor", type=float, metavar="TIME", help="when simulated and real time are the same (now)")
    parser.add_argument("--hook", metavar="URL", help="where webhooks are sent")
    parser.add_argument("--hook-secret", default="", metavar="SECRET", help="what they carry as cf-webhook-auth")
    parser.add_argument("--more-prefixes", type=int, default=0, metavar="N", help="beside the five")
    parser.add_argument("--seed", type=int, default=1, help="of everything random")
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started it has ended")
    parser.add_argument("--verbose", action="store_true", help="log requests")
    return parser.parse_args()


def urls(listener, host):
    base = listener.url(host)
    return {"rest": base + BASE, "graphql": base + BASE + "/graphql", "telegram": base}


def listen(sim, options, directory):
    """The listeners by name; TLS only where certificates can be made."""
    made = {"http": Listener((options.bind, options.port), sim)}
    why = certs.missing()
    if why:
        print(f"simulator: no TLS: {why}", file=sys.stderr)
        return made, None
    keys = certs.made(directory, options.names)
    made["tls"] = Listener((options.bind, options.tls_port), sim, keys.context("right"))
    made["name"] = Listener((options.bind, 0), sim, keys.context("name"))
    made["issuer"] = Listener((options.bind, 0), sim, keys.context("issuer"))
    return made, keys.ca


def description(sim, listeners, ca, options):
    """The line of JSON."""
    world = sim.world
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(options.bind, options.bind)
    line = urls(listeners["http"], host)
    line["control"] = listeners["http"].url(host) + "/_control"
    if ca:
        line["tls"] = urls(listeners["tls"], host)
        line["wrong_tls"] = {name: urls(listeners[name], host) for name in ("name", "issuer")}
    line.update(ca=ca, account=world.account, tokens={t.name: t.value for t in world.tokens.values()},
                bot_token=world.bot_token, anchor=world.clock.anchor, speed=world.clock.speed,
                validated=sim.document is not None, pid=os.getpid())
    return line


def run(options, directory):
    parent = os.getppid()  # before the line is printed: whoever waited for it may end at once
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    world = World(Clock(options.speed, anchor=options.anchor), options.seed, options.more_prefixes)
    document = openapi.load()
    if document is None:
        print(f"simulator: nothing is validated: {openapi.DOCUMENT} is absent", file=sys.stderr)
    sim = Simulator(world, document, options.verbose)
    listeners, ca = listen(sim, options, directory)
    if options.hook:
        world.add_hook(options.hook, options.hook_secret)
    for listener in listeners.values():
        listener.start()
    if options.scenario:
        scenario.start(world, world.clock, options.scenario, sim.faults)
    print(json.dumps(description(sim, listeners, ca, options)), flush=True)
    while not ended.wait(1) and not (options.with_parent and os.getppid() != parent):
        pass
    world.clock.stop()


def main():
    options = arguments()
    if options.scenario and options.scenario not in scenario.names():
        sys.exit(f"simulator: no scenario '{options.scenario}'; there are: {', '.join(scenario.names())}")
    directory = tempfile.mkdtemp(prefix="cfmt-sim-")
    try:
        run(options, directory)
    except OSError as e:
        sys.exit(f"simulator: {e}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
