//! Happy Eyeballs (RFC 8305): connection attempts to the addresses of a name, started at short intervals.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

/// The delay between the starts of two attempts (RFC 8305 section 8).
const HEAD_START: Duration = Duration::from_millis(250);

/// Orders addresses for the attempts: IPv6 and IPv4 alternate (RFC 8305 section 4), each family in its given
/// order.
pub(crate) fn interleaved(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let count = addresses.len();
    let (six, four): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    let mut ordered = Vec::with_capacity(count);
    while ordered.len() < count {
        ordered.extend(six.next());
        ordered.extend(four.next());
    }
    ordered
}

/// Attempts each address until one succeeds.
///
/// The next attempt starts when the previous one fails or its head start has passed. All attempts run until
/// the first succeeds. If all fail, the error is that of the attempt that came furthest.
pub(crate) async fn race<T, F>(
    addresses: Vec<IpAddr>,
    attempt: impl Fn(IpAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut rest = addresses.into_iter();
    let mut running = FuturesUnordered::new();
    let mut failure = None;
    let mut next = Instant::now();
    while !running.is_empty() || rest.len() > 0 {
        tokio::select! {
            biased;
            Some(outcome) = running.next() => match outcome {
                Ok(won) => return Ok(won),
                Err(error) => {
                    failure = Some(furthest(failure, error));
                    next = Instant::now();
                }
            },
            () = sleep_until(next), if rest.len() > 0 => {
                running.extend(rest.next().map(&attempt));
                next = Instant::now() + HEAD_START;
            }
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::other("there is no address")))
}

/// Prefers errors of reachable addresses: an address family without a network on this machine gives no
/// information about the host.
fn furthest(known: Option<io::Error>, error: io::Error) -> io::Error {
    match known {
        Some(known) if !is_unreachable(known.kind()) || is_unreachable(error.kind()) => known,
        _ => error,
    }
}

/// Returns whether the address could not be reached at all.
pub(crate) fn is_unreachable(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable
    )
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::sleep;

    use super::*;

    fn addresses(list: &str) -> Vec<IpAddr> {
        list.split(' ').map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_and_ipv6_is_first() {
        for (given, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            (
                "192.0.2.1 192.0.2.2 2001:db8::1",
                "2001:db8::1 192.0.2.1 192.0.2.2",
            ),
            (
                "2001:db8::1 2001:db8::2 2001:db8::3 192.0.2.1",
                "2001:db8::1 192.0.2.1 2001:db8::2 2001:db8::3",
            ),
        ] {
            assert_eq!(interleaved(addresses(given)), addresses(expected));
        }
    }

    /// T36: nine addresses that drop all packets delay the tenth by nine head starts.
    #[tokio::test(start_paused = true)]
    async fn the_tenth_address_wins_in_time() {
        let list: Vec<IpAddr> = (1..=10).map(|n| IpAddr::from([192, 0, 2, n])).collect();
        let good = list[9];
        let started = Instant::now();
        let won = race(list, |address| async move {
            if address != good {
                pending::<()>().await;
            }
            Ok(address)
        });
        assert_eq!(won.await.unwrap(), good);
        assert_eq!(started.elapsed(), 9 * HEAD_START);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_starts_the_next_attempt_immediately() {
        let started = Instant::now();
        let won = race(
            addresses("192.0.2.1 192.0.2.2 192.0.2.3"),
            |address| async move {
                if address == IpAddr::from([192, 0, 2, 3]) {
                    Ok(address)
                } else {
                    Err(io::ErrorKind::ConnectionRefused.into())
                }
            },
        );
        assert_eq!(won.await.unwrap(), IpAddr::from([192, 0, 2, 3]));
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_attempt_may_still_succeed_first() {
        let started = Instant::now();
        let won = race(addresses("192.0.2.1 192.0.2.2"), |address| async move {
            let slow = address == IpAddr::from([192, 0, 2, 1]);
            sleep(Duration::from_millis(if slow { 300 } else { 100 })).await;
            Ok(address)
        });
        assert_eq!(won.await.unwrap(), IpAddr::from([192, 0, 2, 1]));
        assert_eq!(started.elapsed(), Duration::from_millis(300));
    }

    #[tokio::test(start_paused = true)]
    async fn the_error_is_that_of_the_furthest_attempt() {
        let kind = |list| async move {
            race(addresses(list), |address| async move {
                let kind = match address {
                    IpAddr::V6(_) => io::ErrorKind::NetworkUnreachable,
                    IpAddr::V4(_) => io::ErrorKind::ConnectionRefused,
                };
                Err::<(), _>(io::Error::from(kind))
            })
            .await
            .unwrap_err()
            .kind()
        };
        let (refused, unreachable) = (
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::NetworkUnreachable,
        );
        assert_eq!(kind("2001:db8::1 192.0.2.1").await, refused);
        assert_eq!(kind("192.0.2.1 2001:db8::1").await, refused);
        assert_eq!(kind("2001:db8::1").await, unreachable);
    }
}
