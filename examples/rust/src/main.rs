//! Sends pings and prints the pongs that come back, as ping.c does, from Rust by way of
//! the C library: ping [host:port [count]]
//!
//!     cargo build        # asks broccoli-config where the library is
//!
//! What is declared in `c` is the part of broccoli.h that is used here.

use std::{
    env,
    ffi::{c_double, c_int, c_void, CStr, CString},
    io,
    process::ExitCode,
    ptr::null_mut,
    slice,
    time::{Duration, Instant},
};

mod c {
    use std::ffi::{c_char, c_double, c_int, c_short, c_ulong, c_void};

    #[repr(C)]
    pub struct BroConn {
        _opaque: [u8; 0],
    }

    #[repr(C)]
    pub struct BroEvent {
        _opaque: [u8; 0],
    }

    #[repr(C)]
    pub struct BroEvArg {
        pub data: *mut c_void,
        pub kind: c_int,
    }

    #[repr(C)]
    pub struct BroEvMeta {
        pub name: *const c_char,
        pub ts: c_double,
        pub numargs: c_int,
        pub args: *mut BroEvArg,
        pub start: *const u8,
        pub end: *const u8,
    }

    #[repr(C)]
    pub struct PollFd {
        pub fd: c_int,
        pub events: c_short,
        pub revents: c_short,
    }

    pub const TYPE_COUNT: c_int = 3;
    pub const TYPE_TIME: c_int = 6;
    pub const POLLIN: c_short = 1;

    pub type Handler = unsafe extern "C" fn(*mut BroConn, *mut c_void, *mut BroEvMeta);

    #[link(name = "broccoli")]
    extern "C" {
        pub fn bro_init(ctx: *const c_void) -> c_int;
        pub fn bro_conn_new_str(peer: *const c_char, flags: c_int) -> *mut BroConn;
        pub fn bro_conn_connect(bc: *mut BroConn) -> c_int;
        pub fn bro_conn_delete(bc: *mut BroConn) -> c_int;
        pub fn bro_conn_error(bc: *mut BroConn) -> *const c_char;
        pub fn bro_conn_get_fd(bc: *mut BroConn) -> c_int;
        pub fn bro_conn_process_input(bc: *mut BroConn) -> c_int;
        pub fn bro_event_registry_add_compact(
            bc: *mut BroConn,
            name: *const c_char,
            func: Handler,
            data: *mut c_void,
        );
        pub fn bro_event_new(name: *const c_char) -> *mut BroEvent;
        pub fn bro_event_free(ev: *mut BroEvent);
        pub fn bro_event_add_val(
            ev: *mut BroEvent,
            kind: c_int,
            type_name: *const c_char,
            val: *const c_void,
        ) -> c_int;
        pub fn bro_event_send(bc: *mut BroConn, ev: *mut BroEvent) -> c_int;
        pub fn bro_event_error(bc: *mut BroConn) -> *const c_char;
        pub fn bro_util_current_time() -> c_double;
        pub fn poll(fds: *mut PollFd, n: c_ulong, timeout: c_int) -> c_int;
    }
}

/// A connection, which ends when it is dropped: what was sent is written before.
struct Conn(*mut c::BroConn);

impl Drop for Conn {
    fn drop(&mut self) {
        unsafe { c::bro_conn_delete(self.0) };
    }
}

impl Conn {
    fn new(peer: &str) -> Result<Conn, String> {
        let address = CString::new(peer).map_err(|e| e.to_string())?;
        let conn = unsafe {
            c::bro_init(null_mut());
            c::bro_conn_new_str(address.as_ptr(), 0)
        };
        if conn.is_null() {
            return Err(format!("no handle for {peer}"));
        }
        Ok(Conn(conn))
    }

    fn connect(&self) -> Result<(), String> {
        match unsafe { c::bro_conn_connect(self.0) } {
            0 => Err(unsafe { CStr::from_ptr(c::bro_conn_error(self.0)) }
                .to_string_lossy()
                .into_owned()),
            _ => Ok(()),
        }
    }

    fn send_ping(&self, seq: u64) -> Result<(), String> {
        unsafe {
            let ev = c::bro_event_new(c"ping".as_ptr());
            let now: c_double = c::bro_util_current_time();
            c::bro_event_add_val(ev, c::TYPE_TIME, null_mut(), (&raw const now).cast());
            c::bro_event_add_val(ev, c::TYPE_COUNT, null_mut(), (&raw const seq).cast());
            let sent = c::bro_event_send(self.0, ev);
            c::bro_event_free(ev);
            if sent == 0 {
                let why = CStr::from_ptr(c::bro_event_error(self.0)).to_string_lossy();
                return Err(format!("could not send ping {seq}: {why}"));
            }
        }
        Ok(())
    }

    /// Waits for input, at most until the deadline, and processes it.
    fn wait_input(&self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now()).as_millis() as c_int;
        let mut p = c::PollFd {
            fd: unsafe { c::bro_conn_get_fd(self.0) },
            events: c::POLLIN,
            revents: 0,
        };
        if unsafe { c::poll(&mut p, 1, left) } > 0 {
            unsafe { c::bro_conn_process_input(self.0) };
        }
    }
}

/// Counts the pongs: `data` points to the number. Nothing may unwind from here into C.
unsafe extern "C" fn on_pong(_: *mut c::BroConn, data: *mut c_void, meta: *mut c::BroEvMeta) {
    let args = slice::from_raw_parts((*meta).args, (*meta).numargs as usize);
    let [sent, there, seq] = args else { return };
    if (sent.kind, there.kind, seq.kind) != (c::TYPE_TIME, c::TYPE_TIME, c::TYPE_COUNT) {
        return;
    }
    let (sent, there) = (
        *sent.data.cast::<c_double>(),
        *there.data.cast::<c_double>(),
    );
    let line = format!(
        "pong {}: {:.6} s there, {:.6} s there and back\n",
        *seq.data.cast::<u64>(),
        there - sent,
        c::bro_util_current_time() - sent
    );
    let _ = io::Write::write_all(&mut io::stdout(), line.as_bytes());
    *data.cast::<u64>() += 1;
}

fn run(peer: &str, count: u64) -> Result<(), String> {
    let conn = Conn::new(peer)?;
    let pongs: *mut u64 = Box::into_raw(Box::new(0)); // C has it as long as there is the connection
    let seen = || unsafe { pongs.read_volatile() };
    unsafe { c::bro_event_registry_add_compact(conn.0, c"pong".as_ptr(), on_pong, pongs.cast()) };
    conn.connect()
        .map_err(|why| format!("could not connect to {peer}: {why}"))?;
    for seq in 0..count {
        conn.send_ping(seq)?;
        let until = Instant::now() + Duration::from_secs(10);
        while seen() <= seq && Instant::now() < until {
            conn.wait_input(until);
        }
    }
    let n = seen();
    drop(conn);
    drop(unsafe { Box::from_raw(pongs) });
    if n == count {
        return Ok(());
    }
    Err(format!("{n} of {count} pongs have come"))
}

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let peer = args.next().unwrap_or("localhost:47757".into());
    let count = args.next().and_then(|n| n.parse().ok()).unwrap_or(3);
    if let Err(why) = run(&peer, count) {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
