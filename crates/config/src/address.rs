//! Parses the addresses of hosts, proxies and registries in files and options.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Url;
use windlass_oci::{DEFAULT_REGISTRY, Reference};
use windlass_registry::Secret;

/// The host of Docker Hub's API (EP-1).
const HUB: &str = "registry-1.docker.io";
/// Names of Docker Hub that are often written in place of the address of its API.
const HUB_NAMES: [&str; 2] = ["docker.io", "index.docker.io"];

/// Why a text is not the address of a host. It does not contain the text, which may have a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlProblem {
    /// The text is not a URL.
    #[error("not an address: {0}")]
    Form(url::ParseError),
    /// The scheme is another one.
    #[error("the scheme must be `http` or `https`")]
    Scheme,
    /// The address has a user or a password.
    #[error("an address cannot hold a user or password: use `windlass login`")]
    Userinfo,
    /// The address has a path (EP-3).
    #[error("expected only a host and a port after the scheme")]
    Path,
    /// The text has characters that programs treat differently, or drop.
    #[error("an address cannot hold blanks, control characters or `\\`")]
    Character,
    /// There is no port after the colon: often a slash is missing after the scheme.
    #[error("not an address: expected [SCHEME://]HOST[:PORT][/PATH]")]
    Colon,
    /// The address has a query or a fragment.
    #[error("an address cannot have a `?` or `#` part")]
    Query,
}

/// Why a text is not the address of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyProblem {
    /// The text is not a URL.
    #[error("not the address of a proxy: {0}")]
    Form(url::ParseError),
    /// The scheme is another one.
    #[error("the scheme of a proxy must be `http`, `https`, `socks5` or `socks5h`")]
    Scheme,
    /// The address has more than a host and a port.
    #[error("the address of a proxy is [SCHEME://][USER:PASSWORD@]HOST[:PORT], and nothing more")]
    More,
}

/// Why a text is not an insecure registry: a host, a host and port, or a range of addresses (EP-8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsecureProblem {
    /// The text is none of them.
    #[error("expected HOST, HOST:PORT or a range such as 10.0.0.0/8")]
    Form,
    /// The prefix after the slash is longer than the address.
    #[error("the length of the range is more than the address has bits")]
    Length,
    /// The scheme is another than `http` or `https`.
    #[error("expected HOST, HOST:PORT or a range, without a scheme")]
    Scheme,
}

/// Parses the address of a mirror of Docker Hub (EP-1..EP-3).
pub fn registry_mirror(text: &str) -> Result<Url, UrlProblem> {
    host(text)
}

/// Parses the address of a host. Without a scheme it is `https` (EP-2).
///
/// The API is at `/v2/` below its path, unless the path ends in that or the host has `override-path`.
pub(crate) fn host(text: &str) -> Result<Url, UrlProblem> {
    let text = text.trim();
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(UrlProblem::Character);
    }
    let bare = text.split_once("://").map_or(text, |(_, bare)| bare);
    if bare.split('/').next().is_some_and(|it| it.ends_with(':')) {
        return Err(UrlProblem::Colon);
    }
    let address = match text.contains("://") {
        true => text.to_owned(),
        false => format!("https://{text}"),
    };
    let mut url = Url::parse(&address).map_err(UrlProblem::Form)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlProblem::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlProblem::Userinfo);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(UrlProblem::Query);
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    if url.port().is_none() && url.host_str().is_some_and(|name| HUB_NAMES.contains(&name)) {
        url.set_host(Some(HUB)).map_err(UrlProblem::Form)?;
    }
    Ok(url)
}

/// Parses the address of a host without a path (EP-3).
fn bare_host(text: &str) -> Result<Url, UrlProblem> {
    let url = host(text)?;
    match url.path() {
        "/" => Ok(url),
        _ => Err(UrlProblem::Path),
    }
}

/// Parses an address, and returns it as `scheme://host[:port]`.
pub(crate) fn origin(text: &str) -> Result<String, UrlProblem> {
    let url = bare_host(text)?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Returns the address of the registry's own host.
pub(crate) fn own_host(registry: &str) -> Result<Url, UrlProblem> {
    bare_host(registry)
}

/// Returns the host of `url`, and its port if that is not 443. Certificates have this as their key.
pub(crate) fn authority(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        None | Some(443) => name.to_owned(),
        Some(port) => format!("{name}:{port}"),
    }
}

/// Returns the name of a directory in the form of [`authority`]. The names of Docker Hub become the host of its API.
pub(crate) fn endpoint(name: &str) -> Option<String> {
    if name.contains(['/', '@', '?', '#', '\\']) {
        return None;
    }
    let url = bare_host(name).ok()?;
    Some(authority(&url))
}

/// Parses the address of a proxy. Without a scheme it is `http`, as in other programs.
pub(crate) fn proxy(text: &str) -> Result<Secret, ProxyProblem> {
    let text = text.trim();
    let address = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let url = Url::parse(&address).map_err(ProxyProblem::Form)?;
    if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
        return Err(ProxyProblem::Scheme);
    }
    let has_more =
        !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
    if url.host_str().is_none_or(str::is_empty) || has_more {
        return Err(ProxyProblem::More);
    }
    Ok(Secret::new(address))
}

/// Returns the address of a proxy without its user and password.
pub fn shown_proxy(proxy: &Secret) -> String {
    let Ok(mut url) = Url::parse(proxy.expose()) else {
        return "[hidden]".to_owned();
    };
    let has_userinfo = !url.username().is_empty() || url.password().is_some();
    if has_userinfo && (url.set_password(None).is_err() || url.set_username("hidden").is_err()) {
        return "[hidden]".to_owned();
    }
    url.as_str().trim_end_matches('/').to_owned()
}

/// Returns `text` without what would be secret if it was an address: a user and a password, and everything after a `?`
/// or `#`.
pub(crate) fn without_secrets(text: &str) -> Cow<'_, str> {
    let text = without_userinfo(text);
    match text.find(['?', '#']) {
        None => text,
        Some(end) => Cow::Owned(format!("{}?[hidden]", &text[..end])),
    }
}

fn without_userinfo(text: &str) -> Cow<'_, str> {
    let Some((userinfo, rest)) = text.rsplit_once('@') else {
        return Cow::Borrowed(text);
    };
    match userinfo.split_once("://") {
        Some((scheme, _)) => Cow::Owned(format!("{scheme}://[hidden]@{rest}")),
        None => Cow::Owned(format!("[hidden]@{rest}")),
    }
}

/// An element of a list of insecure registries, in its normal form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InsecureEntry {
    /// `host`, `host:port` or `address/length`.
    pub(crate) entry: String,
    /// Whether the text has a scheme, which is dropped.
    pub(crate) had_scheme: bool,
}

/// Parses an insecure registry, and returns it in its normal form (EP-8).
pub fn insecure_registry(text: &str) -> Result<String, InsecureProblem> {
    insecure(text).map(|insecure| insecure.entry)
}

/// Parses an element of a list of insecure registries (EP-7, EP-8).
pub(crate) fn insecure(text: &str) -> Result<InsecureEntry, InsecureProblem> {
    let (bare, had_scheme) = match text.split_once("://") {
        None => (text, false),
        Some((scheme, bare)) if is_web_scheme(scheme) => (bare, true),
        Some(_) => return Err(InsecureProblem::Scheme),
    };
    let entry = match bare.split_once('/') {
        Some((address, length)) => range(address, length)?,
        None => host_and_port(bare).ok_or(InsecureProblem::Form)?,
    };
    Ok(InsecureEntry { entry, had_scheme })
}

/// Returns the name of the registry `text` as it is in references (REF-1, REF-2). `None` if it is not a registry.
pub fn registry_name(text: &str) -> Option<String> {
    if text.contains(['/', '@']) {
        return None;
    }
    let reference: Reference = format!("{text}/name/name").parse().ok()?;
    let name = reference.repository().registry();
    let is_registry =
        name != DEFAULT_REGISTRY || HUB_NAMES.iter().any(|hub| hub.eq_ignore_ascii_case(text));
    is_registry.then(|| name.to_owned())
}

fn is_web_scheme(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

fn range(address: &str, length: &str) -> Result<String, InsecureProblem> {
    let address: IpAddr = address.parse().map_err(|_| InsecureProblem::Form)?;
    if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InsecureProblem::Form);
    }
    let length: u32 = length.parse().map_err(|_| InsecureProblem::Length)?;
    let first: IpAddr = match address {
        IpAddr::V4(v4) => {
            let rest = 32_u32.checked_sub(length).ok_or(InsecureProblem::Length)?;
            let mask = u32::MAX.checked_shl(rest).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let rest = 128_u32.checked_sub(length).ok_or(InsecureProblem::Length)?;
            let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    };
    Ok(format!("{first}/{length}"))
}

fn host_and_port(text: &str) -> Option<String> {
    if let Ok(IpAddr::V6(address)) = text.parse() {
        return Some(format!("[{address}]"));
    }
    let is_invalid = |c: char| c.is_whitespace() || c.is_control() || "@?#\\%".contains(c);
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let hyphen = name.starts_with('-') || name.ends_with('-');
    if name.is_empty() || hyphen || text.contains(is_invalid) {
        return None;
    }
    let url = Url::parse(&format!("http://{name}/")).ok()?;
    let name = url.host_str()?;
    let Some(port) = port else {
        return Some(name.to_owned());
    };
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port: u16 = port.parse().ok().filter(|port| is_number && *port != 0)?;
    Some(format!("{name}:{port}"))
}

#[cfg(test)]
mod tests;
