//! The proxies: their targets, logins and tunnels.

use std::net::{Ipv4Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use windlass_testing::{
    Ca, HttpProxy, ImageBuilder, Registry, Socks5Proxy, SocksHost, SocksRequest,
};

use crate::client::request;
use crate::https::Client;

const PATH: &str = "/v2/app/manifests/1";

fn registry(ca: &Ca) -> Registry {
    let registry = Registry::builder().tls(ca).start();
    registry.push(ImageBuilder::new(), "app:1");
    registry
}

/// Requests a tunnel, and returns the connection and the status line.
async fn tunnel(proxy: &HttpProxy, target: &str, header: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    (stream, head.lines().next().unwrap().to_owned())
}

#[tokio::test]
async fn a_tunnel_leads_to_a_mapped_name() {
    let ca = Ca::new();
    let registry = registry(&ca);
    let proxy = HttpProxy::builder()
        .name("reg.test:443", registry.address())
        .start();
    let (stream, status) = tunnel(&proxy, "reg.test:443", "").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let client = Client::new(ca.pem(), "reg.test").http2();
    assert_eq!(client.get_over(stream, PATH).await.unwrap().status(), 200);
    let (_, status) = tunnel(&proxy, "unknown.test:443", "").await;
    assert_eq!(status, "HTTP/1.1 502 Bad Gateway");
    let (_, status) = tunnel(&proxy, "192.0.2.1:443", "").await;
    assert_eq!(
        status, "HTTP/1.1 502 Bad Gateway",
        "nothing leaves loopback"
    );
    proxy.refuse(403);
    let (_, status) = tunnel(&proxy, "reg.test:443", "").await;
    assert_eq!(status, "HTTP/1.1 403 Forbidden");
    proxy.allow();
    let (_, status) = tunnel(&proxy, &registry.host(), "").await;
    assert_eq!(status, "HTTP/1.1 200 OK", "loopback maps to itself");
    assert_eq!(
        proxy.log(),
        [
            "CONNECT reg.test:443 200".to_owned(),
            "CONNECT unknown.test:443 502".to_owned(),
            "CONNECT 192.0.2.1:443 502".to_owned(),
            "CONNECT reg.test:443 403".to_owned(),
            format!("CONNECT {} 200", registry.host()),
        ]
    );
}

#[tokio::test]
async fn a_proxy_may_require_a_login() {
    let registry = Registry::start();
    let proxy = HttpProxy::builder().login("me", "secret").start();
    let basic = |account: &str| {
        let encoded = STANDARD.encode(account);
        format!("Proxy-Authorization: Basic {encoded}\r\n")
    };
    let refused = "HTTP/1.1 407 Proxy Authentication Required";
    assert_eq!(tunnel(&proxy, &registry.host(), "").await.1, refused);
    assert_eq!(
        tunnel(&proxy, &registry.host(), &basic("me:no")).await.1,
        refused
    );
    let (_, status) = tunnel(&proxy, &registry.host(), &basic("me:secret")).await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let shown = proxy.requests().pop().unwrap().headers;
    assert!(shown.contains_key("proxy-authorization"));
}

#[test]
fn plain_http_is_forwarded() {
    let registry = Registry::start();
    let image = registry.push(ImageBuilder::new(), "app:1");
    let proxy = HttpProxy::builder()
        .name("reg.test:80", registry.address())
        .login("me", "secret")
        .start();
    let url = format!("http://reg.test{PATH}?ns=x");
    let login = format!(
        "Proxy-Authorization: Basic {}",
        STANDARD.encode("me:secret")
    );
    let answer = request(proxy.address(), "GET", &url, &[&login, "Accept: */*"]);
    assert_eq!((answer.status, &*answer.body), (200, &*image.manifest));
    assert_eq!(registry.log(), [format!("GET {PATH}?ns=x 200")]);
    assert_eq!(registry.requests()[0].host.as_deref(), Some("reg.test"));
    assert!(!registry.received("secret"), "the login is for the proxy");
    assert_eq!(proxy.log(), [format!("GET {url} 200")]);
}

/// Requests `target` (type, address, port) of a SOCKS5 proxy, with a login if there is one.
async fn socks(
    proxy: &Socks5Proxy,
    login: Option<(&str, &str)>,
    target: &[u8],
) -> (TcpStream, Option<u8>) {
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let method = if login.is_some() { 2 } else { 0 };
    stream.write_all(&[5, 1, method]).await.unwrap();
    let mut agreed = [0; 2];
    stream.read_exact(&mut agreed).await.unwrap();
    if agreed != [5, method] {
        return (stream, None);
    }
    if let Some((name, password)) = login {
        let (name, password) = (name.as_bytes(), password.as_bytes());
        let length = |text: &[u8]| vec![u8::try_from(text.len()).unwrap()];
        let message = [&[1], &*length(name), name, &*length(password), password].concat();
        stream.write_all(&message).await.unwrap();
        stream.read_exact(&mut agreed).await.unwrap();
        if agreed != [1, 0] {
            return (stream, None);
        }
    }
    stream
        .write_all(&[&[5, 1, 0], target].concat())
        .await
        .unwrap();
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).await.unwrap();
    (stream, Some(reply[1]))
}

fn named(name: &str, port: u16) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    [&[3, length], name.as_bytes(), &port.to_be_bytes()].concat()
}

#[tokio::test]
async fn socks_leads_to_mapped_names_and_addresses() {
    let ca = Ca::new();
    let registry = registry(&ca);
    let proxy = Socks5Proxy::builder()
        .name("reg.test:443", registry.address())
        .name("192.0.2.7:443", registry.address())
        .start();
    let client = Client::new(ca.pem(), "reg.test");
    let (stream, reply) = socks(&proxy, None, &named("reg.test", 443)).await;
    assert_eq!(reply, Some(0));
    assert_eq!(client.get_over(stream, PATH).await.unwrap().status(), 200);
    let (stream, reply) = socks(&proxy, None, &[1, 192, 0, 2, 7, 1, 187]).await;
    assert_eq!(reply, Some(0));
    assert_eq!(client.get_over(stream, PATH).await.unwrap().status(), 200);
    assert_eq!(
        socks(&proxy, None, &named("unknown.test", 443)).await.1,
        Some(4)
    );
    proxy.refuse(2);
    assert_eq!(
        socks(&proxy, None, &named("reg.test", 443)).await.1,
        Some(2)
    );
    assert_eq!(
        proxy.log(),
        [
            "name reg.test:443",
            "address 192.0.2.7:443",
            "name unknown.test:443",
            "name reg.test:443"
        ]
    );
    let last = SocksRequest {
        host: SocksHost::Name("reg.test".to_owned()),
        port: 443,
        reply: 2,
    };
    assert_eq!(proxy.requests().pop(), Some(last));
}

#[tokio::test]
async fn socks_may_require_a_login() {
    let registry = Registry::start();
    let proxy = Socks5Proxy::builder().login("me", "secret").start();
    let SocketAddr::V4(address) = registry.address() else {
        panic!("{}", registry.address())
    };
    let ip: Ipv4Addr = *address.ip();
    let target = [&[1], &ip.octets()[..], &address.port().to_be_bytes()].concat();
    assert_eq!(socks(&proxy, None, &target).await.1, None);
    assert_eq!(socks(&proxy, Some(("me", "no")), &target).await.1, None);
    assert!(proxy.requests().is_empty());
    assert_eq!(
        socks(&proxy, Some(("me", "secret")), &target).await.1,
        Some(0)
    );
}
