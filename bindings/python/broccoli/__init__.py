"""
Exchanges events with Bro and Zeek, by way of libbroccoli.

    from broccoli import *

    @event(count, addr)
    def login_failed(tries, host):
        print(tries, host)

    with Connection("127.0.0.1:47757") as bc:
        bc.send("hello", "world", count(1))
        while bc.wait():
            bc.processInput()

The names are those of the old module broccoli (pybroccoli), and what is new beside them.
"""

from . import constants as _constants
from .connection import Connection, current_time
from .constants import *  # noqa: F403
from .errors import BroccoliError, ClosedError, ConnectError, SendError
from .events import Event, event
from .intern import (
    bro_conn_alive,
    bro_conn_connect,
    bro_conn_delete,
    bro_conn_get_fd,
    bro_conn_new_str,
    bro_conn_process_input,
    bro_conn_set_class,
    bro_event_add_val,
    bro_event_free,
    bro_event_new,
    bro_event_queue_length,
    bro_event_registry_add_compact,
    bro_event_send,
    bro_init,
    bro_util_current_time,
)
from .values import (
    Val,
    addr,
    count,
    counter,
    double,
    enum,
    interval,
    pattern,
    port,
    record,
    record_type,
    set_,
    string,
    subnet,
    table,
    time,
    unknown,
    vector,
)

__version__ = "0.1.0"

__all__ = [
    *_constants.__all__,
    "BroccoliError",
    "ClosedError",
    "ConnectError",
    "Connection",
    "Event",
    "SendError",
    "Val",
    "addr",
    "bro_conn_alive",
    "bro_conn_connect",
    "bro_conn_delete",
    "bro_conn_get_fd",
    "bro_conn_new_str",
    "bro_conn_process_input",
    "bro_conn_set_class",
    "bro_event_add_val",
    "bro_event_free",
    "bro_event_new",
    "bro_event_queue_length",
    "bro_event_registry_add_compact",
    "bro_event_send",
    "bro_init",
    "bro_util_current_time",
    "count",
    "counter",
    "current_time",
    "double",
    "enum",
    "event",
    "interval",
    "pattern",
    "port",
    "record",
    "record_type",
    "set_",
    "string",
    "subnet",
    "table",
    "time",
    "unknown",
    "vector",
]
