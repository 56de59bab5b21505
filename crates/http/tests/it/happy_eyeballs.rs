//! Names with several addresses, some of which drop all packets (HT-1, T36).
//!
//! Such an address is a listener whose backlog is full: the kernel drops new connection requests and the
//! client would retry for two minutes. These tests check only that nothing waits that long; the unit tests of
//! the race check the exact times.

use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, TcpSocket};
use windlass_http::{ConnectionConfig, SendError, SendPhase, Transport};

use crate::server::{RequestLog, ScriptedServer, serve_hello};
use crate::support::{SHORT, StaticNames, connection, error_chain, get, text};

/// An address that drops all connection requests as long as this value exists.
struct BlackHole {
    _listener: TcpListener,
    _fillers: Vec<Socket>,
}

impl BlackHole {
    fn at(address: SocketAddr) -> std::io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.bind(address)?;
        // A backlog of one connection, which is never accepted; the fillers exhaust it.
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

/// Starts a server at `good`, and black holes on the same port of all addresses in `holes`.
async fn server_and_black_holes(
    good: &str,
    holes: &[&str],
) -> std::io::Result<(ScriptedServer, Vec<BlackHole>)> {
    let mut failure = None;
    // The port is free at one address, but may be in use at the others.
    for _ in 0..16 {
        let listener = TcpListener::bind((good, 0)).await?;
        let port = listener.local_addr()?.port();
        let dug: std::io::Result<Vec<_>> = holes
            .iter()
            .map(|hole| BlackHole::at(SocketAddr::new(hole.parse::<IpAddr>().unwrap(), port)))
            .collect();
        match dug {
            Ok(dug) => {
                let serve = |stream, _| serve_hello(stream, RequestLog::default());
                return Ok((ScriptedServer::on(listener, serve), dug));
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap())
}

fn transport(connection: &ConnectionConfig, addresses: &[&str]) -> Transport {
    let names = StaticNames::new(&[("registry.test", addresses)]);
    Transport::with_resolver(connection, names).unwrap()
}

#[tokio::test]
async fn an_unresponsive_ipv6_route_delays_only_briefly() {
    let (server, _holes) = match server_and_black_holes("127.0.0.1", &["::1"]).await {
        Ok(server_and_black_holes) => server_and_black_holes,
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
async fn nine_unresponsive_addresses_of_ten() {
    let all: Vec<String> = (1..=10).map(|n| format!("127.0.0.{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let (server, _holes) = server_and_black_holes("127.0.0.10", &all[..9])
        .await
        .unwrap();
    let transport = transport(&connection(), &all);
    let url = format!("http://registry.test:{}/", server.address.port());
    assert_eq!(text(&transport, &url).await, "hello");
}

/// A refused attempt starts the next one immediately, and is not reported while others run.
#[tokio::test]
async fn a_refusing_address_among_others() {
    let (server, _holes) = server_and_black_holes("127.0.0.3", &["127.0.0.2"])
        .await
        .unwrap();
    let transport = transport(&connection(), &["127.0.0.4", "127.0.0.2", "127.0.0.3"]);
    let url = format!("http://registry.test:{}/", server.address.port());
    assert_eq!(text(&transport, &url).await, "hello");
}

#[tokio::test]
async fn unresponsive_addresses_reach_the_connect_timeout() {
    let (server, _holes) = server_and_black_holes("127.0.0.1", &["127.0.0.2", "127.0.0.3"])
        .await
        .unwrap();
    let limited = ConnectionConfig {
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
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://registry.test:{}/",
        unused.local_addr().unwrap().port()
    );
    let error = get(&transport, &url).await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        "nothing is listening there: Connection refused (os error 111)"
    );
}
