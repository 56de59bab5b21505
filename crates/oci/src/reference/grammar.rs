//! The grammar of references and their normalization.
//!
//! ```text
//! reference = [ host [ ":" port ] "/" ] component *( "/" component ) [ ":" tag ] [ "@" digest ]
//! component = run *( ( "." / "_" / "__" / 1*"-" ) run )         run = 1*( a-z / 0-9 )
//! ```

use std::borrow::Cow;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::lexical::{begins_with_host, is_tag, split_port};
use super::{
    DEFAULT_REGISTRY, OFFICIAL, Reference, ReferenceError, ReferenceProblem, RepositoryName, Tag,
    TagError,
};
use crate::text::sanitize;

/// The largest length of a host, and of the path of a repository, in bytes.
const MAX_NAME: usize = 255;

impl FromStr for RepositoryName {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let reference: Reference = text.parse()?;
        if !reference.is_name_only() {
            return Err(ReferenceError {
                reference: sanitize(text),
                problem: ReferenceProblem::NotNameOnly,
            });
        }
        Ok(reference.repository)
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        if !is_tag(text) {
            return Err(TagError {
                tag: sanitize(text),
            });
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text).map_err(|problem| ReferenceError {
            reference: sanitize(text),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<Reference, ReferenceProblem> {
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
