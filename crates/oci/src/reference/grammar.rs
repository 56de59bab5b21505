//! The grammar of references and their normalization.
//!
//! ```text
//! reference = [ host [ ":" port ] "/" ] component *( "/" component ) [ ":" tag ] [ "@" digest ]
//! component = run *( ( "." / "_" / "__" / 1*"-" ) run )         run = 1*( a-z / 0-9 )
//! ```

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::{DEFAULT_REGISTRY, OFFICIAL, Reference, ReferenceProblem, RepositoryName};
use crate::text::sanitize;

/// The largest length of a host, and of the path of a repository, in bytes.
const MAX_NAME: usize = 255;

pub(super) fn parse(text: &str) -> Result<Reference, ReferenceProblem> {
    if let Some((scheme, _)) = text.split_once("://") {
        let scheme = sanitize(&format!("{scheme}://"));
        return Err(ReferenceProblem::Scheme(scheme));
    }
    let (named, digest) = match text.split_once('@') {
        None => (text, None),
        Some((named, digest)) => (named, Some(digest)),
    };
    let (name, tag) = split_tag(named);
    Ok(Reference {
        repository: repository(name)?,
        tag: tag.map(str::parse).transpose()?,
        digest: digest.map(str::parse).transpose()?,
    })
}

/// Splits a registry into its host and its port.
pub(super) fn split_port(registry: &str) -> (&str, Option<&str>) {
    match registry.rsplit_once(':') {
        // A colon inside the brackets of an IPv6 address does not start a port.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (registry, None),
    }
}

/// Returns whether there are several components and the first one looks like a host (REF-1).
pub(super) fn begins_with_host(name: &str) -> bool {
    let first = name.split_once('/').map(|(first, _)| first);
    first.is_some_and(|first| first.contains(['.', ':']) || first == "localhost")
}

pub(super) fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = text.bytes();
    text.len() <= 128
        && bytes.next().is_some_and(word)
        && bytes.all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

/// Splits off the tag. A colon before the last slash starts a port, not a tag.
fn split_tag(named: &str) -> (&str, Option<&str>) {
    match named.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (named, None),
    }
}

fn repository(name: &str) -> Result<RepositoryName, ReferenceProblem> {
    let (registry, path) = match name.split_once('/') {
        Some((first, path)) if begins_with_host(name) => (first, path),
        _ => (DEFAULT_REGISTRY, name),
    };
    if path.is_empty() {
        return Err(ReferenceProblem::Empty);
    }
    let registry =
        normal_registry(registry).ok_or_else(|| ReferenceProblem::Registry(sanitize(registry)))?;
    let path = match registry.as_str() {
        DEFAULT_REGISTRY if !path.contains('/') => format!("{OFFICIAL}{path}"),
        _ => path.to_owned(),
    };
    check_path(&path)?;
    let repository = RepositoryName { registry, path };
    check_familiar(&repository.familiar())?;
    Ok(repository)
}

/// Normalizes a registry: host names are case-insensitive, and an IPv6 address has many spellings.
fn normal_registry(registry: &str) -> Option<String> {
    let (host, port) = split_port(registry);
    let host = match host.strip_prefix('[') {
        Some(address) => {
            let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
            Cow::Owned(format!("[{address}]"))
        }
        None if host.len() <= MAX_NAME && host.split('.').all(is_label) => Cow::Borrowed(host),
        None => return None,
    };
    let host = host.to_ascii_lowercase();
    match (host.as_str(), port) {
        ("index.docker.io", None) => Some(DEFAULT_REGISTRY.to_owned()),
        (_, None) => Some(host),
        (_, Some(port)) => Some(format!("{host}:{}", port_number(port)?)),
    }
}

/// Parses a port; `parse` alone would also accept a plus sign.
fn port_number(port: &str) -> Option<u16> {
    let is_digits = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|number| is_digits && *number != 0)
}

fn is_label(label: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_alphanumeric();
    label.bytes().all(|byte| alphanumeric(byte) || byte == b'-')
        && label.bytes().next().is_some_and(alphanumeric)
        && label.bytes().last().is_some_and(alphanumeric)
}

fn check_path(path: &str) -> Result<(), ReferenceProblem> {
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(ReferenceProblem::Uppercase);
    }
    if let Some(component) = path.split('/').find(|component| !is_component(component)) {
        return Err(ReferenceProblem::Path(sanitize(component)));
    }
    if path.len() > MAX_NAME {
        return Err(ReferenceProblem::TooLong);
    }
    Ok(())
}

fn is_component(component: &str) -> bool {
    let in_run = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let separates = |separator: &str| {
        matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
    };
    component.starts_with(in_run)
        && component.ends_with(in_run)
        && component.split(in_run).all(separates)
}

/// Rejects names whose familiar form would be parsed as an image ID, a digest or `scratch`.
fn check_familiar(familiar: &str) -> Result<(), ReferenceProblem> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    let is_id = familiar.len() == 64 && familiar.bytes().all(is_hex);
    match familiar {
        "scratch" => Err(ReferenceProblem::Reserved),
        "sha256" | "sha512" => Err(ReferenceProblem::LikeId),
        _ if is_id => Err(ReferenceProblem::LikeId),
        _ => Ok(()),
    }
}
