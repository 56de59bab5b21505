//! Names with several addresses, some of which swallow all they are sent (HT-1, T36).
//!
//! A swallowing address is a listener whose queue is full: the system drops what asks for a connection, and
//! would go on asking for two minutes. That nothing waits for so long is all that is looked at here; the
//! times themselves are in the unit tests of the race.

use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, TcpSocket};
use windlass_http::{Connection, SendError, SendPhase, Transport};

use crate::server::{Log, Server, greet};
use crate::support::{Names, SHORT, connection, get, shown, text};

/// An address that swallows all it is sent, for as long as this lives.
struct Hole {
    _listener: TcpListener,
    _fillers: Vec<Socket>,
}

impl Hole {
    fn at(address: SocketAddr) -> std::io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.bind(address)?;
        // Room for one that is never accepted. Of all that wait none gets in any more.
        let listener = socket.listen(0)?;
        let fill = || {
            let filler = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            filler.set_nonblocking(true)?;
            drop(filler.connect(&SockAddr::from(address)));
            Ok(filler)
        };
        let fillers: std::io::Result<_> = (0..4).map(|_| fill()).collect();
        Ok(Self {
            _listener: listener,
            _fillers: fillers?,
        })
    }
}

/// A friendly server at `good`, and holes at the same port of all of `holes`.
async fn around(good: &str, holes: &[&str]) -> std::io::Result<(Server, Vec<Hole>)> {
    let mut failure = None;
    // The port is free at one address; another one may have taken it at the others.
    for _ in 0..16 {
        let listener = TcpListener::bind((good, 0)).await?;
        let port = listener.local_addr()?.port();
        let dug: std::io::Result<Vec<_>> = holes
            .iter()
            .map(|hole| Hole::at(SocketAddr::new(hole.parse::<IpAddr>().unwrap(), port)))
            .collect();
        match dug {
            Ok(dug) => {
                let serve = |stream, _| greet(stream, Log::default());
                return Ok((Server::on(listener, serve), dug));
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap())
}

fn transport(connection: &Connection, addresses: &[&str]) -> Transport {
    let names = Names::new(&[("registry.test", addresses)]);
    Transport::with_resolver(connection, names).unwrap()
}

#[tokio::test]
async fn an_ipv6_route_that_swallows_everything_costs_a_moment() {
    let (server, _holes) = match around("127.0.0.1", &["::1"]).await {
        Ok(around) => around,
        Err(error) => {
            println!("not run: this machine has no IPv6: {error}");
            return;
        }
    };
    let transport = transport(&connection(), &["::1", "127.0.0.1"]);
    let url = format!("http://registry.test:{}/", server.address.port());
    assert_eq!(text(&transport, &url).await, "hello");
}

#[tokio::test]
async fn nine_dead_addresses_of_ten() {
    let all: Vec<String> = (1..=10).map(|n| format!("127.0.0.{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let (server, _holes) = around("127.0.0.10", &all[..9]).await.unwrap();
    let transport = transport(&connection(), &all);
    let url = format!("http://registry.test:{}/", server.address.port());
    assert_eq!(text(&transport, &url).await, "hello");
}

/// A refusal makes way at once, and does not count while others are tried.
#[tokio::test]
async fn a_refusing_address_among_others() {
    let (server, _holes) = around("127.0.0.3", &["127.0.0.2"]).await.unwrap();
    let transport = transport(&connection(), &["127.0.0.4", "127.0.0.2", "127.0.0.3"]);
    let url = format!("http://registry.test:{}/", server.address.port());
    assert_eq!(text(&transport, &url).await, "hello");
}

#[tokio::test]
async fn all_dead_ends_with_the_connection_limit() {
    let (server, _holes) = around("127.0.0.1", &["127.0.0.2", "127.0.0.3"])
        .await
        .unwrap();
    let limited = Connection {
        connect: SHORT,
        ..connection()
    };
    let transport = transport(&limited, &["127.0.0.2", "127.0.0.3"]);
    let url = format!("http://registry.test:{}/", server.address.port());
    let error = get(&transport, &url).await.unwrap_err();
    assert!(
        matches!(
            error,
            SendError::Timeout {
                waiting_for: SendPhase::Connection
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn all_refused() {
    let transport = transport(&connection(), &["127.0.0.2", "127.0.0.3"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://registry.test:{}/",
        taken.local_addr().unwrap().port()
    );
    let error = get(&transport, &url).await.unwrap_err();
    assert_eq!(
        shown(&error),
        "nothing listens there: Connection refused (os error 111)"
    );
}
