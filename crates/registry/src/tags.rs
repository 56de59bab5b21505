//! Lists the tags of a repository.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use windlass_oci::Tag;

use crate::error::RegistryError;
use crate::page_links::Pages;
use crate::repository::Repository;
use crate::request_context::{RequestContext, RequestKind};
use crate::request_spec::RangeSpec;

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
    /// Follows `Link` headers (HT-18) within the same host (D7), up to 1000 pages, 64 MiB
    /// and a million tags. Invalid tags are skipped.
    pub async fn tags(&self) -> Result<Vec<Tag>, RegistryError> {
        self.record_outcome(self.all_tags().await)
    }

    async fn all_tags(&self) -> Result<Vec<Tag>, RegistryError> {
        let context = self.context(RequestKind::Tags);
        let malformed = |reason: &str| RegistryError::malformed(&context, reason);
        let first = self.endpoint().api(&format!("{}/tags/list", self.path()));
        let mut pages = Pages::new(first, MAX_PAGES);
        let mut list = TagList::default();
        let mut left = MAX_LIST_SIZE;
        loop {
            let response = self
                .get_url(&context, pages.current().clone(), &[], RangeSpec::From(0))
                .await?;
            let headers = response.http.headers().clone();
            let body = self.client().body(response.http).read_to_end(left).await;
            let body =
                body.map_err(|error| with_total_limit(context.body_failed(error), &context))?;
            left -= body.len() as u64;
            let page: TagPage =
                serde_json::from_slice(&body).map_err(|_| malformed("it is not a list of tags"))?;
            let has_new = list.add(page.tags.unwrap_or_default());
            if list.in_order.len() > MAX_TAGS {
                return Err(malformed("it has more than a million tags"));
            }
            let advanced = pages.advance(&headers, has_new);
            if !advanced.map_err(|error| malformed(&error.reason(MAX_PAGES)))? {
                return Ok(list.in_order);
            }
        }
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
