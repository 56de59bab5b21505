//! SOCKS5 proxies (RFC 1928, RFC 1929).

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use windlass_http::{AddressPolicy, ConnectionConfig, Proxies, Secret, SendError, Transport};

use crate::certificates::{Certificate, CertificateAuthority};
use crate::server::{RequestLog, ScriptedServer, serve_hello};
use crate::support::{StaticNames, connection, error_chain, get, text, trusting};

/// A scripted proxy that connects every client to one origin.
#[derive(Clone)]
struct SocksScript {
    origin: SocketAddr,
    /// The required credentials; `None` accepts all clients.
    account: Option<(&'static str, &'static str)>,
    /// The reply codes of the first requests; later requests succeed.
    replies: Arc<Mutex<VecDeque<u8>>>,
    log: RequestLog,
}

impl SocksScript {
    fn new(origin: &ScriptedServer) -> Self {
        Self {
            origin: origin.address,
            account: None,
            replies: Arc::default(),
            log: RequestLog::default(),
        }
    }

    async fn start(&self) -> ScriptedServer {
        let script = self.clone();
        ScriptedServer::start(move |stream, _| {
            let script = script.clone();
            async move { drop(script.serve(stream).await) }
        })
        .await
    }

    async fn serve(self, mut stream: TcpStream) -> std::io::Result<()> {
        assert_eq!(stream.read_u8().await?, 5);
        let methods = read_counted(&mut stream).await?;
        match self.account {
            None => {
                assert!(methods.contains(&0));
                stream.write_all(&[5, 0]).await?;
            }
            Some(_) if !methods.contains(&2) => {
                return stream.write_all(&[5, 0xff]).await;
            }
            Some((username, password)) => {
                stream.write_all(&[5, 2]).await?;
                assert_eq!(stream.read_u8().await?, 1);
                let received = (
                    read_counted(&mut stream).await?,
                    read_counted(&mut stream).await?,
                );
                let expected = (username.as_bytes().to_vec(), password.as_bytes().to_vec());
                if received != expected {
                    return stream.write_all(&[1, 1]).await;
                }
                stream.write_all(&[1, 0]).await?;
            }
        }
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        assert_eq!(head[..3], [5, 1, 0]);
        let host = match head[3] {
            1 => IpAddr::from(read_array::<4>(&mut stream).await?).to_string(),
            4 => IpAddr::from(read_array::<16>(&mut stream).await?).to_string(),
            _ => String::from_utf8(read_counted(&mut stream).await?).unwrap(),
        };
        self.log
            .push(&format!("{host} {}", stream.read_u16().await?));
        let reply = self.replies.lock().unwrap().pop_front().unwrap_or(0);
        // The bound address as a domain name, the longest form of a reply.
        stream
            .write_all(&[5, reply, 0, 3, 2, b'm', b'e', 0, 80])
            .await?;
        if reply == 0 {
            let mut upstream = TcpStream::connect(self.origin).await?;
            copy_bidirectional(&mut stream, &mut upstream).await?;
        }
        Ok(())
    }
}

async fn read_counted(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = stream.read_u8().await?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn read_array<const N: usize>(stream: &mut TcpStream) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn through(proxy: String, rest: ConnectionConfig) -> ConnectionConfig {
    let proxy = Some(Secret::new(proxy));
    ConnectionConfig {
        proxies: Proxies {
            http: proxy.clone(),
            https: proxy,
            no_proxy: None,
        },
        ..rest
    }
}

#[tokio::test]
async fn the_proxy_resolves_the_name() {
    let origin = ScriptedServer::greeting(&RequestLog::default()).await;
    let script = SocksScript::new(&origin);
    let proxy = script.start().await;
    let connection = through(format!("socks5h://{}", proxy.address), connection());
    let transport = Transport::with_resolver(&connection, StaticNames::new(&[])).unwrap();
    assert_eq!(
        text(&transport, "http://registry.test:5000/").await,
        "hello"
    );
    assert_eq!(text(&transport, "http://192.0.2.1/").await, "hello");
    assert_eq!(text(&transport, "http://[2001:db8::1]/").await, "hello");
    assert_eq!(
        script.log.heads(),
        ["registry.test 5000", "192.0.2.1 80", "2001:db8::1 80"]
    );
}

/// The origin is connected to with TLS and without the proxy's credentials.
#[tokio::test]
async fn with_credentials_and_tls() {
    let authority = CertificateAuthority::new();
    let log = RequestLog::default();
    let heads = log.clone();
    let config = authority.server(Certificate::Good);
    let origin =
        ScriptedServer::tls(config, move |stream, _| serve_hello(stream, heads.clone())).await;
    let script = SocksScript {
        account: Some(("me", "p@ss")),
        ..SocksScript::new(&origin)
    };
    let proxy = script.start().await;
    let url = format!("socks5h://me:p%40ss@{}", proxy.address);
    let transport = Transport::new(&through(url, trusting(&authority.pem))).unwrap();
    assert_eq!(text(&transport, "https://registry.test/").await, "hello");
    assert_eq!(script.log.heads(), ["registry.test 443"]);
    assert_eq!(
        log.heads(),
        ["GET / HTTP/1.1\r\nuser-agent: test/1\r\nhost: registry.test\r\n\r\n"]
    );
}

/// A proxy without authentication accepts a client that has credentials.
#[tokio::test]
async fn unused_credentials_are_accepted() {
    let origin = ScriptedServer::greeting(&RequestLog::default()).await;
    let proxy = SocksScript::new(&origin).start().await;
    let url = format!("socks5h://me:p%40ss@{}", proxy.address);
    let transport = Transport::new(&through(url, connection())).unwrap();
    assert_eq!(text(&transport, "http://registry.test/").await, "hello");
}

#[tokio::test]
async fn wrong_and_missing_credentials() {
    let origin = ScriptedServer::greeting(&RequestLog::default()).await;
    let script = SocksScript {
        account: Some(("me", "p@ss")),
        ..SocksScript::new(&origin)
    };
    let proxy = script.start().await;
    for userinfo in ["me:wrong@", ""] {
        let url = format!("socks5h://{userinfo}{}", proxy.address);
        let transport = Transport::new(&through(url, connection())).unwrap();
        let error = get(&transport, "http://registry.test/").await.unwrap_err();
        assert_eq!(
            error_chain(&error),
            "cannot connect through the proxy: it rejected the credentials"
        );
    }
    assert_eq!(script.log.heads(), [""; 0]);
}

/// With `socks5`, names are resolved locally and the proxy tries each address.
#[tokio::test]
async fn each_address_of_a_name_is_tried() {
    let origin = ScriptedServer::greeting(&RequestLog::default()).await;
    let script = SocksScript {
        replies: Arc::new(Mutex::new([8, 4].into())),
        ..SocksScript::new(&origin)
    };
    let proxy = script.start().await;
    let connection = ConnectionConfig {
        address_policy: AddressPolicy::NoLinkLocal,
        ..through(format!("socks5://{}", proxy.address), connection())
    };
    let addresses: &[&str] = &["192.0.2.1", "169.254.169.254", "192.0.2.2", "2001:db8::1"];
    let names = StaticNames::new(&[("registry.test", addresses)]);
    let transport = Transport::with_resolver(&connection, names).unwrap();
    assert_eq!(text(&transport, "http://registry.test/").await, "hello");
    assert_eq!(
        script.log.heads(),
        ["2001:db8::1 80", "192.0.2.1 80", "192.0.2.2 80"]
    );
}

#[tokio::test]
async fn a_rejection_has_a_reason() {
    let origin = ScriptedServer::greeting(&RequestLog::default()).await;
    for (code, reason) in [
        (2, "it replied: not allowed"),
        (5, "it replied: connection refused"),
        (99, "it replied: code 99"),
    ] {
        let script = SocksScript {
            replies: Arc::new(Mutex::new([code].into())),
            ..SocksScript::new(&origin)
        };
        let proxy = script.start().await;
        let url = format!("socks5h://{}", proxy.address);
        let transport = Transport::new(&through(url, connection())).unwrap();
        let error = get(&transport, "http://registry.test/").await.unwrap_err();
        assert_eq!(
            error_chain(&error),
            format!("cannot connect through the proxy: {reason}")
        );
    }
}

#[tokio::test]
async fn a_peer_that_does_not_use_socks() {
    let closed = ScriptedServer::start(|_, _| async {}).await;
    let url = format!("socks5h://{}", closed.address);
    let transport = Transport::new(&through(url, connection())).unwrap();
    let error = get(&transport, "http://registry.test/").await.unwrap_err();
    assert!(matches!(error, SendError::Proxy { .. }), "{error:?}");
    let http_server = ScriptedServer::start(|mut stream, _| async move {
        crate::server::write(&mut stream, "HTTP/1.1 400 Bad Request\r\n\r\n").await;
        crate::server::wait_for_close(stream).await;
    })
    .await;
    let url = format!("socks5h://{}", http_server.address);
    let transport = Transport::new(&through(url, connection())).unwrap();
    let error = get(&transport, "http://registry.test/").await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        "cannot connect through the proxy: its response is not that of a proxy"
    );
}
