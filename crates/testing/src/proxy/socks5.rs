//! A SOCKS5 proxy (RFC 1928), with a password (RFC 1929) or without.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use super::server::LoopbackServer;
use super::{ProxyBuilder, ProxyRules, ProxyState};

const VERSION: u8 = 5;
/// Methods (RFC 1928, section 3).
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
/// Replies (RFC 1928, section 6).
const SUCCEEDED: u8 = 0;
const HOST_UNREACHABLE: u8 = 4;
const REFUSED: u8 = 5;
const UNKNOWN_COMMAND: u8 = 7;

/// A SOCKS5 proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Socks5Proxy {
    state: Arc<ProxyState<SocksRequest>>,
    server: LoopbackServer,
}

/// A request to a SOCKS5 proxy. Prints as `name reg.test:443` or `address 127.0.0.1:443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocksRequest {
    /// The target host.
    pub host: SocksHost,
    /// The target port.
    pub port: u16,
    /// The reply code; 0 is success.
    pub reply: u8,
}

/// A host in a request: whether the client resolved the name itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocksHost {
    /// A name that the proxy resolves (`socks5h`).
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Socks5Proxy {
    /// Configures a proxy.
    pub fn builder() -> ProxyBuilder<Self> {
        ProxyBuilder::new(Self::start)
    }

    fn start(rules: ProxyRules) -> Self {
        let state = ProxyState::new(rules);
        let serving = state.clone();
        let server = LoopbackServer::start(move |stream| {
            let state = serving.clone();
            // An error means that the client has left, or does not use SOCKS5.
            async move { drop(serve(&state, stream).await) }
        });
        Self { state, server }
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns its URL, without a login: `socks5h://127.0.0.1:4711`, with which the proxy resolves names.
    pub fn url(&self) -> String {
        format!("socks5h://{}", self.address())
    }

    /// Responds with this reply code from now on (RFC 1928, section 6): 2 is "not allowed".
    pub fn refuse(&self, reply: u8) {
        self.state.refuse(Some(reply.into()));
    }

    /// Ends the effect of [`refuse`](Self::refuse).
    pub fn allow(&self) {
        self.state.refuse(None);
    }

    /// Returns all requests so far, in order, without those that failed to log in.
    pub fn requests(&self) -> Vec<SocksRequest> {
        self.state.requests()
    }

    /// Returns all requests so far as lines, `name reg.test:443`.
    pub fn log(&self) -> Vec<String> {
        self.requests().iter().map(ToString::to_string).collect()
    }
}

impl fmt::Display for SocksRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            SocksHost::Name(name) => write!(f, "name {name}:{}", self.port),
            SocksHost::Address(ip) => write!(f, "address {}", SocketAddr::new(*ip, self.port)),
        }
    }
}

async fn serve(state: &ProxyState<SocksRequest>, mut client: TcpStream) -> io::Result<()> {
    if !greet(state, &mut client).await? {
        return Ok(());
    }
    let [version, command, _] = exactly(&mut client).await?;
    let Some((host, port)) = read_target(&mut client).await? else {
        return Ok(());
    };
    let connected = match state.refusal() {
        _ if (version, command) != (VERSION, 1) => Err(UNKNOWN_COMMAND),
        Some(reply) => Err(u8::try_from(reply).expect("a reply code is one byte")),
        None => connect(&state.rules, &host, port).await,
    };
    let reply = connected.as_ref().err().copied().unwrap_or(SUCCEEDED);
    state.record(SocksRequest { host, port, reply });
    // The proxy's own address is not disclosed.
    client
        .write_all(&[VERSION, reply, 0, 1, 0, 0, 0, 0, 0, 0])
        .await?;
    if let Ok(mut upstream) = connected {
        copy_bidirectional(&mut client, &mut upstream).await?;
    }
    Ok(())
}

/// Negotiates the authentication, and returns whether the client is authorized.
async fn greet(state: &ProxyState<SocksRequest>, client: &mut TcpStream) -> io::Result<bool> {
    let [_version, count] = exactly(client).await?;
    let mut methods = vec![0; count.into()];
    client.read_exact(&mut methods).await?;
    let method = if state.rules.login.is_some() {
        PASSWORD
    } else {
        NO_LOGIN
    };
    if !methods.contains(&method) {
        client.write_all(&[VERSION, NO_METHOD]).await?;
        return Ok(false);
    }
    client.write_all(&[VERSION, method]).await?;
    let Some(login) = &state.rules.login else {
        return Ok(true);
    };
    let [_version] = exactly(client).await?;
    let shown = (text(client).await?, text(client).await?);
    let right = shown == *login;
    client.write_all(&[1, u8::from(!right)]).await?;
    Ok(right)
}

async fn read_target(client: &mut TcpStream) -> io::Result<Option<(SocksHost, u16)>> {
    let [kind] = exactly(client).await?;
    let host = match kind {
        1 => SocksHost::Address(Ipv4Addr::from(exactly::<4>(client).await?).into()),
        3 => SocksHost::Name(text(client).await?),
        4 => SocksHost::Address(Ipv6Addr::from(exactly::<16>(client).await?).into()),
        _ => return Ok(None),
    };
    Ok(Some((host, client.read_u16().await?)))
}

async fn connect(rules: &ProxyRules, host: &SocksHost, port: u16) -> Result<TcpStream, u8> {
    let target = match host {
        SocksHost::Name(name) => format!("{name}:{port}"),
        SocksHost::Address(ip) => SocketAddr::new(*ip, port).to_string(),
    };
    let address = rules.find(&target).ok_or(HOST_UNREACHABLE)?;
    TcpStream::connect(address).await.map_err(|_| REFUSED)
}

async fn exactly<const N: usize>(client: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Reads a text that is preceded by its length.
async fn text(client: &mut TcpStream) -> io::Result<String> {
    let [length] = exactly(client).await?;
    let mut bytes = vec![0; length.into()];
    client.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
