//! Connects through a SOCKS5 proxy (RFC 1928, RFC 1929).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::Host;

use crate::cause::Cause;
use crate::error::ProxyFailure;

use super::server::{ProxyCredentials, ProxyServer};

const VERSION: u8 = 5;
const CONNECT: u8 = 1;
const NO_AUTHENTICATION: u8 = 0;
const USERNAME_PASSWORD: u8 = 2;
const NONE_OF_THESE: u8 = 0xff;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Requests a connection to `host` and `port` from the proxy at the other end of `stream`. On success,
/// `stream` is connected to that host.
pub(crate) async fn connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &ProxyServer,
    host: &Host,
    port: u16,
) -> Result<(), ProxyFailure> {
    authenticate(stream, proxy.credentials.as_ref()).await?;
    let mut request = vec![VERSION, CONNECT, 0];
    match host {
        Host::Ipv4(address) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Host::Ipv6(address) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Host::Domain(name) => {
            request.push(NAME);
            push(&mut request, name)?;
        }
    }
    request.extend(port.to_be_bytes());
    write(stream, &request).await?;
    reply(stream).await
}

async fn authenticate(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    credentials: Option<&ProxyCredentials>,
) -> Result<(), ProxyFailure> {
    let greeting: &[u8] = match credentials {
        None => &[VERSION, 1, NO_AUTHENTICATION],
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USERNAME_PASSWORD],
    };
    write(stream, greeting).await?;
    let [version, method] = read(stream).await?;
    if version != VERSION {
        return Err(ProxyFailure::NotAProxy);
    }
    match (method, credentials) {
        (NO_AUTHENTICATION, _) => Ok(()),
        (USERNAME_PASSWORD, Some(credentials)) => send_credentials(stream, credentials).await,
        (NONE_OF_THESE, _) => Err(ProxyFailure::Credentials),
        _ => Err(ProxyFailure::NotAProxy),
    }
}

async fn send_credentials(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    credentials: &ProxyCredentials,
) -> Result<(), ProxyFailure> {
    let mut request = vec![1];
    push(&mut request, credentials.username.expose())?;
    push(&mut request, credentials.password.expose())?;
    write(stream, &request).await?;
    match read(stream).await? {
        [_, 0] => Ok(()),
        [_, _] => Err(ProxyFailure::Credentials),
    }
}

/// Reads the whole reply; the bytes that follow come from the origin.
async fn reply(stream: &mut (impl AsyncRead + Unpin)) -> Result<(), ProxyFailure> {
    let [version, code, _, kind] = read(stream).await?;
    if version != VERSION {
        return Err(ProxyFailure::NotAProxy);
    }
    if code != 0 {
        return Err(ProxyFailure::Socks { code });
    }
    let length = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => {
            let [length] = read(stream).await?;
            usize::from(length)
        }
        _ => return Err(ProxyFailure::NotAProxy),
    };
    let mut address_and_port = vec![0; length + 2];
    let read = stream.read_exact(&mut address_and_port).await;
    read.map_err(broken).map(drop)
}

/// Appends the length of `text`, then `text`.
fn push(request: &mut Vec<u8>, text: &str) -> Result<(), ProxyFailure> {
    let length =
        u8::try_from(text.len()).map_err(|_| broken(io::ErrorKind::InvalidInput.into()))?;
    request.push(length);
    request.extend_from_slice(text.as_bytes());
    Ok(())
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), ProxyFailure> {
    stream.write_all(bytes).await.map_err(broken)?;
    stream.flush().await.map_err(broken)
}

async fn read<const N: usize>(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<[u8; N], ProxyFailure> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.map_err(broken)?;
    Ok(bytes)
}

fn broken(error: io::Error) -> ProxyFailure {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return ProxyFailure::NotAProxy;
    }
    ProxyFailure::Transport {
        source: Cause::new(error),
    }
}
