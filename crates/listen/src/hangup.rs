//! Detects that a client has closed its Unix socket, and not only its writing end.
//!
//! A client that has sent its request may shut down its writing end and read the response: `printf … | socat - UNIX:…`.
//! A read returns the same for it as for a client that has gone; the state of the socket differs.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::UnixStream;
use tokio::time::sleep;

use crate::request_clock::RequestClock;

/// How often the socket of a request in progress is looked at.
const INTERVAL: Duration = Duration::from_millis(200);

/// Waits until the client has closed `socket` while a request of `clock` was in progress.
///
/// Between requests hyper reads, and notices by itself.
pub(crate) async fn hung_up(socket: &UnixStream, clock: &RequestClock) {
    loop {
        // A request may have begun before this function was called.
        if !clock.has_request() {
            clock.request_begun().await;
        }
        while clock.has_request() {
            sleep(INTERVAL).await;
            if is_hung_up(socket) {
                return;
            }
        }
    }
}

/// Returns whether both directions of `socket` are closed.
fn is_hung_up(socket: &UnixStream) -> bool {
    // The kernel always reports POLLHUP, whatever events are requested.
    let mut sockets = [PollFd::new(socket, PollFlags::empty())];
    let found = poll(&mut sockets, Some(&Timespec::default()));
    found.is_ok() && sockets[0].revents().contains(PollFlags::HUP)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn a_closed_writing_end_is_no_hangup() {
        let (mut client, server) = UnixStream::pair().unwrap();
        assert!(!is_hung_up(&server));
        client.write_all(b"x").await.unwrap();
        client.shutdown().await.unwrap();
        assert!(!is_hung_up(&server));
        drop(client);
        assert!(is_hung_up(&server));
    }

    #[tokio::test(start_paused = true)]
    async fn only_requests_in_progress_are_watched() {
        let (client, server) = UnixStream::pair().unwrap();
        let clock = RequestClock::default();
        drop(clock.begin());
        drop(client);
        let long = Duration::from_secs(3600);
        tokio::time::timeout(long, hung_up(&server, &clock))
            .await
            .unwrap_err();
        let _request = clock.begin();
        clock.request_begun().await;
        hung_up(&server, &clock).await;
    }
}
