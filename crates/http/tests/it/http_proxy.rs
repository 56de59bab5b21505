//! HTTP proxies: `CONNECT` for https, absolute URIs for http.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::TcpStream;
use windlass_http::{
    ConnectFailure, ConnectionConfig, Proxies, ProxyFailure, Secret, SendError, SendPhase,
    Transport,
};

use crate::certificates::{Certificate, CertificateAuthority};
use crate::server::{RequestLog, ScriptedServer, read_head, serve_hello, wait_for_close, write};
use crate::support::{SHORT, StaticNames, connection, error_chain, get, read, text, trusting};

/// `me` and `p@ss` in base64.
const ME: &str = "proxy-authorization: Basic bWU6cEBzcw==";

/// Starts a proxy that connects every client to `origin`.
async fn proxy_to(origin: SocketAddr, log: &RequestLog) -> ScriptedServer {
    let log = log.clone();
    ScriptedServer::start(move |stream, _| serve_proxy(stream, origin, log.clone())).await
}

async fn serve_proxy(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    origin: SocketAddr,
    log: RequestLog,
) {
    let head = read_head(&mut stream).await;
    if head.is_empty() {
        return;
    }
    log.push(&head);
    if head.starts_with("CONNECT ") {
        let mut upstream = TcpStream::connect(origin).await.unwrap();
        write(&mut stream, "HTTP/1.1 200 Connected\r\nVia: test\r\n\r\n").await;
        drop(copy_bidirectional(&mut stream, &mut upstream).await);
    } else {
        write(&mut stream, &crate::server::ok("relayed")).await;
        serve_hello(stream, log).await;
    }
}

/// Starts a proxy that responds to every request with `answer`.
async fn responding_with(answer: &'static str) -> ScriptedServer {
    ScriptedServer::start(move |mut stream, _| async move {
        read_head(&mut stream).await;
        write(&mut stream, answer).await;
        wait_for_close(stream).await;
    })
    .await
}

fn through(proxy: &str, rest: ConnectionConfig) -> ConnectionConfig {
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

/// The proxy resolves the origin's name, the client verifies its certificate; the proxy's credentials are not
/// sent to the origin.
#[tokio::test]
async fn https_goes_through_a_tunnel() {
    let authority = CertificateAuthority::new();
    let (at_origin, at_proxy) = (RequestLog::default(), RequestLog::default());
    let heads = at_origin.clone();
    let config = authority.server(Certificate::Good);
    let origin =
        ScriptedServer::tls(config, move |stream, _| serve_hello(stream, heads.clone())).await;
    let proxy = proxy_to(origin.address, &at_proxy).await;
    let url = format!("http://me:p%40ss@{}", proxy.address);
    let connection = through(&url, trusting(&authority.pem));
    let transport = Transport::with_resolver(&connection, StaticNames::new(&[])).unwrap();
    for _ in 0..2 {
        assert_eq!(text(&transport, "https://registry.test/v2/").await, "hello");
    }
    assert_eq!(
        at_proxy.heads(),
        [
            "CONNECT registry.test:443 HTTP/1.1\r\nHost: registry.test:443\r\n\
          User-Agent: test/1\r\nProxy-Authorization: Basic bWU6cEBzcw==\r\n\r\n"
        ]
    );
    let expected = "GET /v2/ HTTP/1.1\r\nuser-agent: test/1\r\nhost: registry.test\r\n\r\n";
    assert_eq!(at_origin.heads(), [expected; 2]);
}

/// T28: a proxy cannot impersonate the origin.
#[tokio::test]
async fn the_certificate_is_verified_for_the_origin_behind_a_tunnel() {
    let authority = CertificateAuthority::new();
    let log = RequestLog::default();
    let heads = log.clone();
    let config = authority.server(Certificate::Good);
    let origin =
        ScriptedServer::tls(config, move |stream, _| serve_hello(stream, heads.clone())).await;
    let proxy = proxy_to(origin.address, &RequestLog::default()).await;
    let connection = through(&proxy.url(), trusting(&authority.pem));
    let transport = Transport::new(&connection).unwrap();
    let error = get(&transport, "https://other.test/").await.unwrap_err();
    assert!(matches!(error, SendError::Tls { .. }), "{error:?}");
    assert_eq!(log.lines(), [""; 0]);
}

#[tokio::test]
async fn http_is_relayed() {
    let log = RequestLog::default();
    let proxy = proxy_to("127.0.0.1:1".parse().unwrap(), &log).await;
    let url = format!("http://me:p%40ss@{}", proxy.address);
    let transport = Transport::new(&through(&url, connection())).unwrap();
    let found = text(&transport, "http://registry.test:5000/v2/?a=b").await;
    assert_eq!(found, "relayed");
    let found = text(&transport, "http://registry.test:5000/v2/").await;
    assert_eq!(found, "hello");
    let expected = |path: &str| {
        format!(
            "GET http://registry.test:5000{path} HTTP/1.1\r\nuser-agent: test/1\r\n{ME}\r\n\
             host: registry.test:5000\r\n\r\n"
        )
    };
    assert_eq!(log.heads(), [expected("/v2/?a=b"), expected("/v2/")]);
    assert_eq!(proxy.connections(), 1);
}

/// The proxy's credentials are not sent to a host that is connected to directly.
#[tokio::test]
async fn loopback_is_never_reached_through_a_proxy() {
    let log = RequestLog::default();
    let origin = ScriptedServer::greeting(&log).await;
    let transport =
        Transport::new(&through("http://me:p%40ss@192.0.2.1:3128", connection())).unwrap();
    assert_eq!(text(&transport, &origin.url()).await, "hello");
    let host = origin.address;
    let expected = format!("GET / HTTP/1.1\r\nuser-agent: test/1\r\nhost: {host}\r\n\r\n");
    assert_eq!(log.heads(), [expected]);
}

#[tokio::test]
async fn no_proxy_is_respected() {
    let (log, names) = (
        RequestLog::default(),
        [("registry.test", &["127.0.0.1"][..])],
    );
    let origin = ScriptedServer::greeting(&log).await;
    let mut connection = through("http://192.0.2.1:3128", connection());
    connection.proxies.no_proxy = Some("registry.test".to_owned());
    let transport = Transport::with_resolver(&connection, StaticNames::new(&names)).unwrap();
    let url = format!("http://registry.test:{}/", origin.address.port());
    assert_eq!(text(&transport, &url).await, "hello");
}

#[tokio::test]
async fn a_proxy_inside_tls() {
    let authority = CertificateAuthority::new();
    let at_proxy = RequestLog::default();
    let config = authority.server(Certificate::Good);
    let origin = ScriptedServer::tls(config, |stream, _| {
        serve_hello(stream, RequestLog::default())
    })
    .await;
    let (heads, address) = (at_proxy.clone(), origin.address);
    let proxy = ScriptedServer::tls(authority.server(Certificate::Good), move |stream, _| {
        serve_proxy(stream, address, heads.clone())
    })
    .await;
    let connection = through(&proxy.secure_url(), trusting(&authority.pem));
    let transport = Transport::new(&connection).unwrap();
    assert_eq!(text(&transport, "https://registry.test/").await, "hello");
    assert_eq!(text(&transport, "http://registry.test/").await, "relayed");
    assert_eq!(
        at_proxy.lines(),
        [
            "CONNECT registry.test:443 HTTP/1.1",
            "GET http://registry.test/ HTTP/1.1"
        ]
    );
}

/// Skipping the verification of the origin does not skip that of the proxy, which gets a password.
#[tokio::test]
async fn the_certificate_of_a_proxy_is_always_verified() {
    let log = RequestLog::default();
    let heads = log.clone();
    let config = CertificateAuthority::new().server(Certificate::Good);
    let proxy =
        ScriptedServer::tls(config, move |stream, _| serve_hello(stream, heads.clone())).await;
    let mut rest = trusting(&CertificateAuthority::new().pem);
    rest.tls.skip_verify = true;
    let transport = Transport::new(&through(&proxy.secure_url(), rest)).unwrap();
    let error = get(&transport, "https://registry.test/").await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        "cannot connect through the proxy: no secure connection: \
         invalid peer certificate: UnknownIssuer"
    );
    assert_eq!(log.lines(), [""; 0]);
}

#[tokio::test]
async fn a_refused_tunnel() {
    for (answer, expected) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            "it rejected the credentials",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
            "it responded with status 403",
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "it responded with status 502",
        ),
        (
            "SSH-2.0-OpenSSH_9.2p1\r\n",
            "its response is not that of a proxy",
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\nand more",
            "its response is not that of a proxy",
        ),
    ] {
        let proxy = responding_with(answer).await;
        let url = format!("http://me:hunter2@{}", proxy.address);
        let transport = Transport::new(&through(&url, connection())).unwrap();
        let error = get(&transport, "https://registry.test/").await.unwrap_err();
        assert_eq!(
            error_chain(&error),
            format!("cannot connect through the proxy: {expected}")
        );
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

/// A 407 comes from the proxy; any other status may come from the origin.
#[tokio::test]
async fn a_refused_relay() {
    let proxy = responding_with("HTTP/1.1 407 -\r\nContent-Length: 0\r\n\r\n").await;
    let transport = Transport::new(&through(&proxy.url(), connection())).unwrap();
    let error = get(&transport, "http://registry.test/").await.unwrap_err();
    assert!(
        matches!(
            error,
            SendError::Proxy {
                source: ProxyFailure::Credentials
            }
        ),
        "{error:?}"
    );
    let proxy = responding_with("HTTP/1.1 403 -\r\nContent-Length: 2\r\n\r\nno").await;
    let transport = Transport::new(&through(&proxy.url(), connection())).unwrap();
    let response = get(&transport, "http://registry.test/").await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(read(response).await, "no");
}

#[tokio::test]
async fn a_proxy_that_is_not_running() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let transport = Transport::new(&through(&url, connection())).unwrap();
    for url in ["http://registry.test/", "https://registry.test/"] {
        let error = get(&transport, url).await.unwrap_err();
        let SendError::Proxy {
            source: ProxyFailure::Connect { failure, .. },
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!(failure, ConnectFailure::Refused);
    }
}

/// T33: the head of a proxy's response is limited in time and size.
#[tokio::test]
async fn a_proxy_response_that_never_ends() {
    let silent = responding_with("HTTP/1.1 200 OK\r\n").await;
    let limited = ConnectionConfig {
        connect: SHORT,
        ..connection()
    };
    let transport = Transport::new(&through(&silent.url(), limited)).unwrap();
    let error = get(&transport, "https://registry.test/").await.unwrap_err();
    let SendError::Timeout { waiting_for } = error else {
        panic!("{error:?}")
    };
    assert_eq!(waiting_for, SendPhase::Connection);

    let endless = ScriptedServer::start(|mut stream, _| async move {
        use tokio::io::AsyncWriteExt;
        read_head(&mut stream).await;
        write(&mut stream, "HTTP/1.1 200 OK\r\nx: ").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let transport = Transport::new(&through(&endless.url(), connection())).unwrap();
    let error = get(&transport, "https://registry.test/").await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        "cannot connect through the proxy: its response is not that of a proxy"
    );
}
