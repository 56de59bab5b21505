//! Ends a connection whose client may still be sending.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// The longest time without a byte of the client.
const IDLE: Duration = Duration::from_secs(2);
/// The longest time in all.
const TOTAL: Duration = Duration::from_secs(30);
/// The bytes that are read at a time.
const PIECE: usize = 16 << 10;

/// Closes the writing end of `stream`, then reads and drops what the client still sends, until it closes its end or a time
/// limit expires.
///
/// A client that is refused in the middle of an upload often reads the response only after its last byte is written. If
/// the connection were closed with unread bytes, the kernel would report an error to it and discard the response.
pub(crate) async fn discard_rest(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let rest = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut piece = vec![0; PIECE];
        while let Ok(Ok(1..)) = timeout(IDLE, stream.read(&mut piece)).await {}
    };
    // The rest of what takes longer is not read.
    let _discarded = timeout(TOTAL, rest).await;
}
