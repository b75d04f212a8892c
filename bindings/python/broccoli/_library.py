"""Finds libbroccoli.so.5, and declares what is called of it."""

from __future__ import annotations

import ctypes
import os
from ctypes import c_char_p, c_double, c_int, c_uint32, c_uint64, c_void_p

# A file to load in the place of what the loader finds, for development.
VARIABLE = "BROCCOLI_LIBRARY"

AT_SECURE = 23


class String(ctypes.Structure):
    _fields_ = [("len", c_uint32), ("val", c_char_p)]


class Port(ctypes.Structure):
    _fields_ = [("num", c_uint64), ("proto", c_int)]


class Addr(ctypes.Structure):
    _fields_ = [("words", c_uint32 * 4)]


class Subnet(ctypes.Structure):
    _fields_ = [("net", Addr), ("width", c_uint32)]


class Arg(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("type", c_int)]


class Meta(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("time", c_double), ("numargs", c_int), ("args", c_void_p),
                ("start", c_void_p), ("end", c_void_p)]


EventCallback = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)
TableCallback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p)
SetCallback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)

_int_p = ctypes.POINTER(c_int)

# Name: what it returns, and what it takes.
_FUNCTIONS: dict = {
    "bro_init": (c_int, c_void_p),
    "bro_conf_get_str": (c_char_p, c_char_p),
    "bro_util_current_time": (c_double,),
    "bro_conn_new_str": (c_void_p, c_char_p, c_int),
    "bro_conn_new_socket": (c_void_p, c_int, c_int),
    "bro_conn_set_class": (None, c_void_p, c_char_p),
    "bro_conn_get_peer_class": (c_char_p, c_void_p),
    "bro_conn_connect": (c_int, c_void_p),
    "bro_conn_alive": (c_int, c_void_p),
    "bro_conn_get_fd": (c_int, c_void_p),
    "bro_conn_error": (c_char_p, c_void_p),
    "bro_conn_process_input": (c_int, c_void_p),
    "bro_conn_delete": (c_int, c_void_p),
    "bro_event_new": (c_void_p, c_char_p),
    "bro_event_free": (None, c_void_p),
    "bro_event_add_val": (c_int, c_void_p, c_int, c_char_p, c_void_p),
    "bro_event_send": (c_int, c_void_p, c_void_p),
    "bro_event_error": (c_char_p, c_void_p),
    "bro_event_queue_length": (c_int, c_void_p),
    "bro_event_queue_flush": (c_int, c_void_p),
    "bro_event_registry_add_compact": (None, c_void_p, c_char_p, EventCallback, c_void_p),
    "bro_event_registry_request": (None, c_void_p),
    "bro_record_new": (c_void_p,),
    "bro_record_free": (None, c_void_p),
    "bro_record_get_length": (c_int, c_void_p),
    "bro_record_add_val": (c_int, c_void_p, c_char_p, c_int, c_char_p, c_void_p),
    "bro_record_get_nth_val": (c_void_p, c_void_p, c_int, _int_p),
    "bro_record_get_nth_name": (c_char_p, c_void_p, c_int),
    "bro_table_new": (c_void_p,),
    "bro_table_free": (None, c_void_p),
    "bro_table_insert": (c_int, c_void_p, c_int, c_void_p, c_int, c_void_p),
    "bro_table_get_types": (None, c_void_p, _int_p, _int_p),
    "bro_table_foreach": (None, c_void_p, TableCallback, c_void_p),
    "bro_set_new": (c_void_p,),
    "bro_set_free": (None, c_void_p),
    "bro_set_insert": (c_int, c_void_p, c_int, c_void_p),
    "bro_set_get_type": (None, c_void_p, _int_p),
    "bro_set_foreach": (None, c_void_p, SetCallback, c_void_p),
    "bro_vector_new": (c_void_p,),
    "bro_vector_free": (None, c_void_p),
    "bro_vector_get_length": (c_int, c_void_p),
    "bro_vector_add_val": (c_int, c_void_p, c_int, c_char_p, c_void_p),
    "bro_vector_get_nth_val": (c_void_p, c_void_p, c_int, _int_p),
}


def _runs_with_more_rights() -> bool:
    """Whether this is a setuid program or the like, to which the environment is a stranger's."""
    getauxval = ctypes.CDLL(None).getauxval
    getauxval.restype, getauxval.argtypes = ctypes.c_ulong, [ctypes.c_ulong]
    return getauxval(AT_SECURE) != 0


def _file() -> str:
    wanted = os.environ.get(VARIABLE)
    return wanted if wanted and not _runs_with_more_rights() else "libbroccoli.so.5"


def _load(file: str) -> ctypes.CDLL:
    try:
        loaded = ctypes.CDLL(file)
    except OSError as e:
        raise ImportError(f"the library of the module broccoli cannot be loaded: {e}. "
                          f"Install libbroccoli5, or say in {VARIABLE} where the file is") from e
    for name, (returns, *takes) in _FUNCTIONS.items():
        try:
            function = getattr(loaded, name)
        except AttributeError as e:
            raise ImportError(f"{file} has no {name}(): it is not Romanesco's, or an older one") from e
        function.restype, function.argtypes = returns, takes
    return loaded


lib = _load(_file())
lib.bro_init(None)
