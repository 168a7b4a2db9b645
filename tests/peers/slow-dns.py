"""A name server that is slow, for resolver.sh: over UDP it answers questions
for addresses below late.test after a second, and all others never. Over TCP it
takes connections, so that it can be seen to be there."""

import socket
import struct
import sys
import threading
import time

LATE = b"\x04late\x04test\x00"
ADDRESS = socket.inet_aton("1.1.1.1")


def answer(server, query, client):
    time.sleep(1)
    end = query.lower().index(LATE) + len(LATE)
    asked_for_a = query[end : end + 2] == b"\x00\x01"
    head = query[:2] + struct.pack(">5H", 0x8500, 1, int(asked_for_a), 0, 0)
    record = struct.pack(">3HIH", 0xC00C, 1, 1, 60, len(ADDRESS)) + ADDRESS
    server.sendto(head + query[12 : end + 4] + record * asked_for_a, client)


def main(port):
    seen = socket.create_server(("127.0.0.1", port))
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", port))
    while seen:
        query, client = server.recvfrom(4096)
        if LATE in query.lower():
            threading.Thread(target=answer, args=(server, query, client), daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]))
