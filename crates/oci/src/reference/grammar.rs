//! The grammar of references, and how they are brought to their normal form.
//!
//! ```text
//! reference = [ host [ ":" port ] "/" ] component *( "/" component ) [ ":" tag ] [ "@" digest ]
//! component = run *( ( "." | "_" | "__" | 1*"-" ) run )         run = 1*( a-z | 0-9 )
//! ```

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::{DEFAULT_REGISTRY, OFFICIAL, Reference, ReferenceError, RepositoryName, Tag};
use crate::text::{Shown, shown};

/// How long a host, and the path of a repository, may be.
const MAX_NAME: usize = 255;

pub(super) fn parse(text: &str) -> Result<Reference, ReferenceError> {
    let reference = || shown(text);
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(ReferenceError::Scheme {
            reference: reference(),
            scheme: shown(&format!("{scheme}://")),
        });
    }
    let (named, digest) = match text.split_once('@') {
        None => (text, None),
        Some((named, digest)) => (named, Some(digest)),
    };
    let (name, tag) = split_tag(named);
    let repository = repository(name, &reference)?;
    let tag = tag.map(str::parse::<Tag>).transpose();
    let digest = digest.map(str::parse).transpose();
    Ok(Reference {
        repository,
        tag: tag.map_err(|source| ReferenceError::Tag {
            reference: reference(),
            source,
        })?,
        digest: digest.map_err(|source| ReferenceError::Digest {
            reference: reference(),
            source,
        })?,
    })
}

/// Splits `registry` before the colon of its port.
pub(super) fn split_port(registry: &str) -> (&str, Option<&str>) {
    match registry.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (registry, None),
    }
}

pub(super) fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text
            .bytes()
            .all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

/// A colon starts a tag only behind the last slash: before it, it starts a port.
fn split_tag(named: &str) -> (&str, Option<&str>) {
    match named.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (named, None),
    }
}

fn repository(
    name: &str,
    reference: &impl Fn() -> Shown,
) -> Result<RepositoryName, ReferenceError> {
    let (registry, path) = split_registry(name);
    if path.is_empty() {
        let reference = reference();
        return Err(ReferenceError::Empty { reference });
    }
    let registry = normal_registry(registry).ok_or_else(|| ReferenceError::Registry {
        reference: reference(),
        registry: shown(registry),
    })?;
    let is_short = registry == DEFAULT_REGISTRY && !path.contains('/');
    let path = if is_short {
        format!("{OFFICIAL}{path}")
    } else {
        path.to_owned()
    };
    check_path(&path, reference)?;
    let repository = RepositoryName { registry, path };
    check_familiar(&repository.familiar(), reference)?;
    Ok(repository)
}

/// The first component is a host only if it looks like one (REF-1).
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => (first, path),
        _ => (DEFAULT_REGISTRY, name),
    }
}

/// Hosts have no case, and an IPv6 address many spellings: one registry is one text.
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
    let registry = match port {
        None => host.to_ascii_lowercase(),
        Some(port) => format!("{}:{}", host.to_ascii_lowercase(), port_number(port)?),
    };
    match registry.as_str() {
        "index.docker.io" => Some(DEFAULT_REGISTRY.to_owned()),
        _ => Some(registry),
    }
}

/// `parse` would also take a plus sign.
fn port_number(port: &str) -> Option<u16> {
    let is_digits = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|number| is_digits && *number != 0)
}

fn is_label(label: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric();
    label.bytes().all(|byte| letter(byte) || byte == b'-')
        && label.bytes().next().is_some_and(letter)
        && label.bytes().last().is_some_and(letter)
}

fn check_path(path: &str, reference: &impl Fn() -> Shown) -> Result<(), ReferenceError> {
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let reference = reference();
        return Err(ReferenceError::Uppercase { reference });
    }
    if let Some(component) = path.split('/').find(|component| !is_component(component)) {
        return Err(ReferenceError::Path {
            reference: reference(),
            component: shown(component),
        });
    }
    if path.len() > MAX_NAME {
        let reference = reference();
        return Err(ReferenceError::TooLong { reference });
    }
    Ok(())
}

fn is_component(component: &str) -> bool {
    let run = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separates = |separator: &str| {
        matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
    };
    component.bytes().next().is_some_and(run)
        && component.bytes().last().is_some_and(run)
        && component
            .split(|letter: char| letter.is_ascii() && run(letter as u8))
            .all(separates)
}

/// Names that would be read as something else when they are typed again.
fn check_familiar(familiar: &str, reference: &impl Fn() -> Shown) -> Result<(), ReferenceError> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    let is_id = familiar.len() == 64 && familiar.bytes().all(is_hex);
    if is_id || matches!(familiar, "sha256" | "sha512") {
        let reference = reference();
        return Err(ReferenceError::LikeId { reference });
    }
    if familiar == "scratch" {
        let reference = reference();
        return Err(ReferenceError::Reserved { reference });
    }
    Ok(())
}
