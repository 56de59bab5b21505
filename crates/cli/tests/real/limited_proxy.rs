//! A proxy between client and registry that pauses after a given number of response bytes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// The maximum time to wait until the limit is reached.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A TCP proxy on loopback that forwards responses up to a limit, until the limit is removed.
pub(crate) struct LimitedProxy {
    address: SocketAddr,
    transfer: Arc<LimitedTransfer>,
}

/// The transfer of all connections together.
struct LimitedTransfer {
    progress: Mutex<TransferProgress>,
    changed: Condvar,
}

#[derive(Default)]
struct TransferProgress {
    /// The number of response bytes that were forwarded or are to be.
    bytes: u64,
    /// The number of bytes to forward, or `None` without a limit.
    limit: Option<u64>,
    /// Whether a connection waits for the end of the limit.
    is_waiting: bool,
}

impl LimitedProxy {
    /// Starts a proxy in front of `upstream` that forwards `limit` bytes of responses.
    pub(crate) fn before(upstream: SocketAddr, limit: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let progress = TransferProgress {
            limit: Some(limit),
            ..TransferProgress::default()
        };
        let transfer = Arc::new(LimitedTransfer {
            progress: Mutex::new(progress),
            changed: Condvar::new(),
        });
        let proxy = Self {
            address,
            transfer: Arc::clone(&transfer),
        };
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { continue };
                let Ok(server) = TcpStream::connect(upstream) else {
                    continue;
                };
                connect(&client, &server, &transfer).expect("sockets can be shared by threads");
            }
        });
        proxy
    }

    /// The address that clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the limit is reached and a connection waits for more.
    pub(crate) fn wait_until_limit(&self) {
        let progress = self.transfer.progress.lock().unwrap();
        let (progress, waited) = self
            .transfer
            .changed
            .wait_timeout_while(progress, TIMEOUT, |progress| !progress.is_waiting)
            .unwrap();
        assert!(
            !waited.timed_out(),
            "only {} bytes were requested",
            progress.bytes
        );
    }

    /// Forwards everything from now on.
    pub(crate) fn remove_limit(&self) {
        self.transfer.progress.lock().unwrap().limit = None;
        self.transfer.changed.notify_all();
    }
}

impl LimitedTransfer {
    /// Waits until `bytes` more may be forwarded.
    fn wait_for(&self, bytes: u64) {
        let mut progress = self.progress.lock().unwrap();
        progress.bytes += bytes;
        while progress.limit.is_some_and(|limit| progress.bytes > limit) {
            progress.is_waiting = true;
            self.changed.notify_all();
            progress = self.changed.wait(progress).unwrap();
        }
    }
}

/// Starts to copy both directions of a connection.
fn connect(
    client: &TcpStream,
    server: &TcpStream,
    transfer: &Arc<LimitedTransfer>,
) -> io::Result<()> {
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let (from_server, to_client) = (server.try_clone()?, client.try_clone()?);
    let transfer = Arc::clone(transfer);
    // The copying ends when one side disconnects.
    thread::spawn(move || copy(from_client, to_server, |_| ()));
    thread::spawn(move || copy(from_server, to_client, |bytes| transfer.wait_for(bytes)));
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
