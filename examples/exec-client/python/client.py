"""A client for redline on kafka-python, to be copied: docs/exec-client.md explains it.

    pip install -r requirements.txt
    redline run clients --clients franz,py --client py='exec:python3 client.py'
"""

import itertools
import json
import os
import sys
import threading

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

ENV = {name.removeprefix("REDLINE_"): value for name, value in os.environ.items() if name.startswith("REDLINE_")}
TOPIC = ENV["TOPIC"]
EVERY = int(ENV["INTERVAL_MS"]) / 1000
ONCE = ENV.get("ONCE") == "true"

# Java's properties as kafka-python names them, with what reads their values.
SETTABLE = {
    "fetch.max.bytes": ("fetch_max_bytes", int),
    "fetch.max.wait.ms": ("fetch_max_wait_ms", int),
    "max.partition.fetch.bytes": ("max_partition_fetch_bytes", int),
    "max.poll.records": ("max_poll_records", int),
    "batch.size": ("batch_size", int),
    "linger.ms": ("linger_ms", int),
    "compression.type": ("compression_type", lambda text: None if text == "none" else text),
    "acks": ("acks", lambda text: text if text == "all" else int(text)),
}

stopped = threading.Event()
printing = threading.Lock()


def say(type, **fields):
    """Print one message, whole and at once."""
    with printing:
        print(json.dumps({"type": type, **fields}), flush=True)


def first8(value):
    """The first 8 bytes as a number, little endian; a shorter value goes on with zeros."""
    return int.from_bytes(value[:8], "little")


class Instance(threading.Thread):
    """One consumer or producer with its own counts: [records, bytes, sum]."""

    def __init__(self, number, config):
        super().__init__(daemon=True)
        self.counts, self.rewinds, self.errors, self.positions = (0, 0, 0), 0, 0, {}
        if ENV["WORKLOAD"] == "produce":
            self.client, self.run = KafkaProducer(**config), self.produce
            return
        spans = json.loads(ENV["PARTITIONS"])[number :: int(ENV["INSTANCES"])]
        self.spans = {TopicPartition(TOPIC, s["partition"]): (s["start"], s["end"]) for s in spans}
        self.client, self.run = KafkaConsumer(**config), self.consume
        self.client.assign(list(self.spans))

    def add(self, records, size, sum):
        # One assignment: whoever reads the counts gets three that belong together.
        self.counts = self.counts[0] + records, self.counts[1] + size, self.counts[2] + sum

    def failed(self, error):
        self.errors += 1
        say("error", message=repr(error))

    def consume(self):
        """Read the partitions again and again, and count records that were decoded."""
        at, running = self.rewind()
        while running and not stopped.is_set():
            for partition, records in self.client.poll(timeout_ms=100).items():
                end = self.spans[partition][1]
                values = [r.value or b"" for r in records if r.offset < end]  # others were written since
                self.add(len(values), sum(map(len, values)), sum(map(first8, values)))
                at[partition] = min(records[-1].offset + 1, end)
                if at[partition] == end:
                    running.discard(partition)
            if not running and not ONCE:
                at, running = self.rewind()
                self.rewinds += 1
        self.positions = {str(p.partition): offset for p, offset in at.items()}

    def rewind(self):
        for partition, (start, _) in self.spans.items():
            self.client.seek(partition, start)
        return {p: start for p, (start, _) in self.spans.items()}, set(self.spans)

    def produce(self):
        """Write to all partitions in turn, and count records that were acknowledged."""
        size = int(ENV["RECORD_BYTES"])
        values = itertools.cycle([os.urandom(size) for _ in range(1024)])
        partitions = itertools.cycle(range(int(ENV["PARTITIONS"])))
        while not stopped.is_set():
            try:
                value = next(values)
                sent = self.client.send(TOPIC, value, partition=next(partitions))  # waits while the buffer is full
                sent.add_callback(lambda _, value=value: self.add(1, size, first8(value)))
                sent.add_errback(self.failed)
            except kafka.errors.KafkaError as error:
                self.failed(error)
        self.client.flush()


def counts(instances, whole=False):
    """What all instances have done so far."""
    records, size, checksum = map(sum, zip(*(i.counts for i in instances)))
    told = {"records": records, "bytes": size, "rewinds": sum(i.rewinds for i in instances)}
    if whole:
        told |= {"errors": sum(i.errors for i in instances), "sum": str(checksum % 2**64)}
        told["positions"] = {p: offset for i in instances for p, offset in i.positions.items()}
    return told


def die(args):
    """End all when a thread has died: the others would go on counting without it."""
    sys.__excepthook__(args.exc_type, args.exc_value, args.exc_traceback)
    os._exit(1)


def main():
    threading.excepthook = die
    for name in "HANDLER", "CONNECTION_FILE":
        if ENV.get(name, "none") != "none":
            sys.exit(f"this example cannot do what REDLINE_{name}={ENV[name]} asks for")
    config = {"bootstrap_servers": ENV["BROKERS"].split(","), "client_id": ENV["CLIENT_ID"]}
    for key, value in json.loads(ENV["PROPERTIES"]).items():
        if key not in SETTABLE:  # passing it over would compare what is not alike
            sys.exit(f"this example cannot set {key}={value}")
        name, read = SETTABLE[key]
        config[name] = read(value)
    instances = [Instance(number, config) for number in range(int(ENV["INSTANCES"]))]
    settings = {java: str(instances[0].client.config[name]) for java, (name, _) in SETTABLE.items() if name in instances[0].client.config}
    say("hello", protocol=1, client="kafka-python", version=kafka.__version__, settings=settings)

    sys.stdin.readline()  # {"type":"start"}
    # {"type":"stop"}; or the end of input, when redline is gone
    threading.Thread(target=lambda: (sys.stdin.readline(), stopped.set()), daemon=True).start()
    for instance in instances:
        instance.start()
    for instance in instances:
        while instance.is_alive():
            instance.join(EVERY)
            say("count", **counts(instances))
    say("end", **counts(instances, whole=True))


if __name__ == "__main__":
    main()
