//! Lists the tags of a repository.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use http::header::{HeaderMap, LINK};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use url::Url;
use windlass_oci::Tag;

use crate::error::{RegistryError, RequestContext, RequestKind};
use crate::repository::Repository;
use crate::request::RangeSpec;

/// The maximum number of pages (T23).
const MAX_PAGES: usize = 1000;
/// The maximum size of all pages together, in bytes (T23).
const MAX_LIST_SIZE: u64 = 64 << 20;
/// The maximum number of tags (T23).
const MAX_TAGS: usize = 1_000_000;

/// One page of the list.
#[derive(Deserialize)]
struct TagPage {
    /// Some registries send `null` for an empty list.
    #[serde(default)]
    tags: Option<TagNames>,
}

/// The names of a page. Invalid tags are counted while parsing and take no memory.
#[derive(Default)]
struct TagNames {
    tags: Vec<Tag>,
    /// The number of invalid tags.
    invalid: usize,
}

/// The tags of all pages so far.
#[derive(Default)]
struct TagList {
    in_order: Vec<Tag>,
    seen: HashSet<Tag>,
}

impl Repository {
    /// Returns the repository's tags in the registry's order (MF-1), without duplicates.
    ///
    /// Follows `Link` headers (HT-18) within the same scheme, host and port (D7), up to 1000 pages, 64 MiB
    /// and a million tags. Invalid tags are skipped.
    pub async fn tags(&self) -> Result<Vec<Tag>, RegistryError> {
        self.record_outcome(self.all_tags().await)
    }

    async fn all_tags(&self) -> Result<Vec<Tag>, RegistryError> {
        let context = self.context(RequestKind::Tags);
        let malformed = |reason: &str| RegistryError::Malformed {
            context: context.boxed(),
            reason: reason.to_owned(),
        };
        let mut url = self.endpoint().api(&format!("{}/tags/list", self.path()));
        let mut list = TagList::default();
        let mut left = MAX_LIST_SIZE;
        for _ in 0..MAX_PAGES {
            let response = self
                .get_url(&context, url.clone(), None, RangeSpec::From(0))
                .await?;
            let next = next_page(&url, response.http.headers());
            let body = self.client().body(response.http).read_to_end(left).await;
            let body =
                body.map_err(|error| with_total_limit(context.body_failed(error), &context))?;
            left -= body.len() as u64;
            let page: TagPage =
                serde_json::from_slice(&body).map_err(|_| malformed("it is not a list of tags"))?;
            let has_new = list.add(page.tags.unwrap_or_default());
            let Some(next) = next else {
                return Ok(list.in_order);
            };
            let next = next.map_err(malformed)?;
            // A page without new tags that links to another one would continue for ever (D8).
            if next == url || !has_new {
                return Err(malformed("its pages form a loop"));
            }
            if list.in_order.len() > MAX_TAGS {
                return Err(malformed("it has more than a million tags"));
            }
            url = next;
        }
        Err(malformed("it has more than 1000 pages"))
    }
}

impl TagList {
    /// Adds a page; returns whether it had a new name.
    fn add(&mut self, names: TagNames) -> bool {
        if names.invalid > 0 {
            tracing::warn!(names = names.invalid, "skipped invalid tags");
        }
        let before = self.in_order.len();
        for tag in names.tags {
            if self.seen.insert(tag.clone()) {
                self.in_order.push(tag);
            }
        }
        self.in_order.len() > before || names.invalid > 0
    }
}

impl<'de> Deserialize<'de> for TagNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(TagNamesVisitor)
    }
}

struct TagNamesVisitor;

impl<'de> Visitor<'de> for TagNamesVisitor {
    type Value = TagNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<TagNames, A::Error> {
        let mut names = TagNames::default();
        while let Some(name) = seq.next_element::<Option<Cow<'de, str>>>()? {
            match name.and_then(|name| name.parse().ok()) {
                Some(_) if names.tags.len() > MAX_TAGS => {
                    return Err(A::Error::custom("more than a million tags"));
                }
                Some(tag) => names.tags.push(tag),
                None => names.invalid += 1,
            }
        }
        Ok(names)
    }
}

/// The limit applies to all pages together; the rest of it for one page would be a misleading number in an
/// error.
fn with_total_limit(error: RegistryError, context: &RequestContext) -> RegistryError {
    match error {
        RegistryError::TooLarge { .. } => RegistryError::TooLarge {
            context: context.boxed(),
            limit: MAX_LIST_SIZE,
        },
        error => error,
    }
}

/// Returns the URL of the page after the one at `url`, if there is one.
pub(crate) fn next_page(url: &Url, headers: &HeaderMap) -> Option<Result<Url, &'static str>> {
    let links = headers
        .get_all(LINK)
        .iter()
        .filter_map(|link| link.to_str().ok());
    let target = links
        .flat_map(|links| links.split(','))
        .find_map(next_target)?;
    let next = match url.join(target) {
        Ok(next) if next.origin() == url.origin() && next.username().is_empty() => next,
        Ok(_) => return Some(Err("its next page is on another host")),
        Err(_) => return Some(Err("the address of its next page is not a URL")),
    };
    Some(Ok(next))
}

/// Returns `x` of `<x>; rel="next"` (RFC 8288, section 3).
fn next_target(link: &str) -> Option<&str> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.split(';').any(|parameter| {
        parameter.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("rel")
                && value
                    .trim()
                    .trim_matches('"')
                    .split_ascii_whitespace()
                    .any(|rel| rel == "next")
        })
    });
    is_next.then_some(target)
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    fn next(link: &str) -> Option<Result<String, &'static str>> {
        let url = Url::parse("https://reg.test/v2/a/tags/list?n=2").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(LINK, HeaderValue::from_str(link).unwrap());
        next_page(&url, &headers).map(|next| next.map(String::from))
    }

    /// HT-18.
    #[test]
    fn parses_the_link_to_the_next_page() {
        let expected = Some(Ok("https://reg.test/v2/a/tags/list?last=x&n=2".to_owned()));
        assert_eq!(
            next(r#"</v2/a/tags/list?last=x&n=2>; rel="next""#),
            expected
        );
        assert_eq!(
            next("<https://reg.test/v2/a/tags/list?last=x&n=2>;rel=next"),
            expected
        );
        assert_eq!(
            next("</p>; rel=prev, <?last=x&n=2>; title=y; REL=\"next last\""),
            expected
        );
        assert_eq!(next(r#"</v2/a/tags/list>; rel="prev""#), None);
        assert_eq!(next("nonsense"), None);
    }

    /// D7, T23.
    #[test]
    fn the_next_page_is_on_the_same_origin() {
        for link in [
            "<https://evil.test/v2/>; rel=next",
            "<//evil.test/v2/>; rel=next",
            "<http://reg.test/v2/>; rel=next",
            "<https://reg.test:444/v2/>; rel=next",
            "<https://me@reg.test/v2/>; rel=next",
        ] {
            assert_eq!(
                next(link),
                Some(Err("its next page is on another host")),
                "{link}"
            );
        }
    }
}
