//! A proxy between client and registry that closes after a given number of response bytes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// The deadline of a test that waits for the valve to close.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A TCP proxy on loopback that forwards everything until it closes.
pub(crate) struct Valve {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    flow: Mutex<Flow>,
    changed: Condvar,
}

#[derive(Default)]
struct Flow {
    /// Response bytes that were forwarded.
    passed: u64,
    /// The number of bytes to forward, or `None` without a limit.
    limit: Option<u64>,
    /// Whether a connection waits for the valve to open.
    is_holding: bool,
}

impl Valve {
    /// Starts a valve in front of `upstream` that forwards `limit` bytes of responses.
    pub(crate) fn before(upstream: SocketAddr, limit: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let flow = Flow {
            limit: Some(limit),
            ..Flow::default()
        };
        let shared = Arc::new(Shared {
            flow: Mutex::new(flow),
            changed: Condvar::new(),
        });
        let valve = Self {
            address,
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { continue };
                let Ok(server) = TcpStream::connect(upstream) else {
                    continue;
                };
                connect(&client, &server, &shared).expect("sockets can be shared by threads");
            }
        });
        valve
    }

    /// The address that clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the limit is reached and a connection waits for more.
    pub(crate) fn wait_until_holding(&self) {
        let flow = self.shared.flow.lock().unwrap();
        let (flow, waited) = self
            .shared
            .changed
            .wait_timeout_while(flow, TIMEOUT, |flow| !flow.is_holding)
            .unwrap();
        assert!(
            !waited.timed_out(),
            "only {} bytes were asked for",
            flow.passed
        );
    }

    /// Forwards everything from now on.
    pub(crate) fn open(&self) {
        self.shared.flow.lock().unwrap().limit = None;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// Waits until `bytes` more may be forwarded.
    fn pass(&self, bytes: u64) {
        let mut flow = self.flow.lock().unwrap();
        flow.passed += bytes;
        while flow.limit.is_some_and(|limit| flow.passed > limit) {
            flow.is_holding = true;
            self.changed.notify_all();
            flow = self.changed.wait(flow).unwrap();
        }
    }
}

/// Starts to copy both directions of a connection.
fn connect(client: &TcpStream, server: &TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let (from_server, to_client) = (server.try_clone()?, client.try_clone()?);
    let shared = Arc::clone(shared);
    // The copying ends when one side disconnects.
    thread::spawn(move || copy(from_client, to_server, |_| ()));
    thread::spawn(move || copy(from_server, to_client, |bytes| shared.pass(bytes)));
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream, before: impl Fn(u64)) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        before(read as u64);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // Either side may have disconnected already.
    drop(to.shutdown(Shutdown::Write));
    drop(from.shutdown(Shutdown::Read));
}
