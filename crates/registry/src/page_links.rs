//! Lists in several pages: the `Link` header of a response leads to the next page.

use std::collections::HashSet;

use http::header::{HeaderMap, LINK};
use url::Url;

/// The pages of a list, from the first one on.
pub(crate) struct Pages {
    current: Url,
    visited: HashSet<Url>,
    limit: usize,
}

/// Why the next page of a list is not requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageError {
    /// The link leads to another host (D7).
    OtherHost,
    /// The link is not a URL.
    InvalidUrl,
    /// The pages form a loop (D8).
    Loop,
    /// There are too many pages (D8).
    TooMany,
}

impl Pages {
    /// Begins at `first`; the list has at most `limit` pages.
    pub(crate) fn new(first: Url, limit: usize) -> Self {
        Self {
            visited: HashSet::from([first.clone()]),
            current: first,
            limit,
        }
    }

    /// Returns the URL of the current page.
    pub(crate) fn current(&self) -> &Url {
        &self.current
    }

    /// Moves on to the page that the response with `headers` links to. Returns whether there is one.
    ///
    /// Some registries end a list with an empty page that links to itself: a page without new entries whose link leads
    /// to a page that was read already is the last one.
    pub(crate) fn advance(
        &mut self,
        headers: &HeaderMap,
        has_new_entries: bool,
    ) -> Result<bool, PageError> {
        let Some(next) = next_page(&self.current, headers)? else {
            return Ok(false);
        };
        if self.visited.contains(&next) {
            return match has_new_entries {
                true => Err(PageError::Loop),
                false => Ok(false),
            };
        }
        if self.visited.len() >= self.limit {
            return Err(PageError::TooMany);
        }
        self.visited.insert(next.clone());
        self.current = next;
        Ok(true)
    }
}

impl PageError {
    /// Completes the sentence "malformed response: …".
    pub(crate) fn reason(self, limit: usize) -> String {
        match self {
            Self::OtherHost => "its next page is on another host".to_owned(),
            Self::InvalidUrl => "the address of its next page is not a URL".to_owned(),
            Self::Loop => "its pages form a loop".to_owned(),
            Self::TooMany => format!("it has more than {limit} pages"),
        }
    }
}

/// Returns the URL of the page after the one at `url`, if there is one.
///
/// The page is requested at the origin of `url`. A registry behind a proxy may have another scheme or port in its links
/// than its clients use; only the host of a link has to be the same (D7).
fn next_page(url: &Url, headers: &HeaderMap) -> Result<Option<Url>, PageError> {
    let values = headers
        .get_all(LINK)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let Some(target) = values.flat_map(links).find_map(Link::next_target) else {
        return Ok(None);
    };
    let target = url.join(target).map_err(|_| PageError::InvalidUrl)?;
    if target.host() != url.host() {
        return Err(PageError::OtherHost);
    }
    let mut next = url.clone();
    next.set_path(target.path());
    next.set_query(target.query());
    Ok(Some(next))
}

/// One link of a `Link` header: `<target>; parameters` (RFC 8288, section 3).
struct Link<'a> {
    target: &'a str,
    parameters: &'a str,
}

impl<'a> Link<'a> {
    /// Reads `link`. Without angle brackets, the target ends at the first semicolon.
    fn parse(link: &'a str) -> Self {
        let link = link.trim();
        let (target, parameters) = match link.strip_prefix('<') {
            Some(rest) => rest.split_once('>').unwrap_or((rest, "")),
            None => link.split_once(';').unwrap_or((link, "")),
        };
        Self {
            target: target.trim(),
            parameters,
        }
    }

    /// Returns the target if this is the link to the next page: its relation is `next`, or it has none.
    fn next_target(self) -> Option<&'a str> {
        let mut quoted = false;
        let is_separator = move |character: char| {
            quoted ^= character == '"';
            character == ';' && !quoted
        };
        let mut relations = self.parameters.split(is_separator).filter_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("rel").then_some(value)
        });
        let is_next = relations.next().is_none_or(|value| {
            value
                .trim()
                .trim_matches(['"', '\''])
                .split_ascii_whitespace()
                .any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        (is_next && !self.target.is_empty()).then_some(self.target)
    }
}

/// Splits the value of a `Link` header at the commas between links. Commas inside of angle brackets or quotes belong to
/// a link, and so does a comma in a target without brackets, unless a new link begins behind it.
fn links(value: &str) -> impl Iterator<Item = Link<'_>> {
    let (mut bracketed, mut quoted, mut has_parameters) = (false, false, false);
    let is_separator = move |character: char| {
        match character {
            '<' if !quoted => bracketed = true,
            '>' if !quoted => (bracketed, has_parameters) = (false, true),
            ';' if !quoted && !bracketed => has_parameters = true,
            '"' if !bracketed => quoted = !quoted,
            ',' if !quoted && !bracketed && has_parameters => {
                has_parameters = false;
                return true;
            }
            _ => {}
        }
        false
    };
    value.split(is_separator).map(Link::parse)
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    const PAGE: &str = "https://reg.test/v2/a/tags/list?n=2";

    fn link(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(LINK, HeaderValue::from_str(value).unwrap())])
    }

    fn next(value: &str) -> Result<Option<String>, PageError> {
        let next = next_page(&Url::parse(PAGE).unwrap(), &link(value));
        next.map(|next| next.map(String::from))
    }

    /// HT-18.
    #[test]
    fn the_link_to_the_next_page_is_parsed() {
        let expected = Ok(Some(
            "https://reg.test/v2/a/tags/list?last=x&n=2".to_owned(),
        ));
        for value in [
            r#"</v2/a/tags/list?last=x&n=2>; rel="next""#,
            "<https://reg.test/v2/a/tags/list?last=x&n=2>;rel=next",
            "</p>; rel=prev, <?last=x&n=2>; title=y; REL=\"next last\"",
            r#"</p>; title="a, b; rel=next"; rel="prev", <?last=x&n=2>; rel=next"#,
            // Forms of registries that do not follow the specification.
            "<?last=x&n=2>; rel='next'",
            "<?last=x&n=2>; rel=\"Next\"",
            "<?last=x&n=2>",
            "/v2/a/tags/list?last=x&n=2; rel=\"next\"",
            "https://reg.test/v2/a/tags/list?last=x&n=2",
        ] {
            assert_eq!(next(value), expected, "{value}");
        }
    }

    #[test]
    fn commas_within_a_target_belong_to_it() {
        let expected = Ok(Some("https://reg.test/v2/a/tags/list?x=1,2".to_owned()));
        assert_eq!(next("<?x=1,2>; rel=next"), expected);
        assert_eq!(next("?x=1,2; rel=next"), expected);
        assert_eq!(next("</p>; rel=prev, <?x=1,2>; rel=next"), expected);
    }

    #[test]
    fn other_links_are_ignored() {
        for value in [
            r#"</v2/a/tags/list>; rel="prev""#,
            r#"</v2/a/tags/list>; rel="nextish""#,
            "",
            "<>; rel=next",
        ] {
            assert_eq!(next(value), Ok(None), "{value}");
        }
    }

    /// D7, T23.
    #[test]
    fn the_next_page_is_on_the_same_host() {
        for value in [
            "<https://evil.test/v2/>; rel=next",
            "<//evil.test/v2/>; rel=next",
            "<data:text/plain,x>; rel=next",
        ] {
            assert_eq!(next(value), Err(PageError::OtherHost), "{value}");
        }
    }

    /// A proxy in front of the registry may end TLS, and listen on another port. The request goes to the proxy.
    #[test]
    fn the_next_page_is_requested_at_the_origin_of_the_first() {
        for value in [
            "<http://reg.test/v2/b?n=1>; rel=next",
            "<https://reg.test:444/v2/b?n=1>; rel=next",
            "<http://me:pw@reg.test:5000/v2/b?n=1#f>; rel=next",
        ] {
            let expected = "https://reg.test/v2/b?n=1".to_owned();
            assert_eq!(next(value), Ok(Some(expected)), "{value}");
        }
    }

    /// D8.
    #[test]
    fn pages_end() {
        let mut pages = Pages::new(Url::parse(PAGE).unwrap(), 3);
        assert_eq!(pages.advance(&link("<?p=2>"), true), Ok(true));
        assert_eq!(pages.current().query(), Some("p=2"));
        // Without new entries, but there is another page.
        assert_eq!(pages.advance(&link("<?p=3>"), false), Ok(true));
        assert_eq!(pages.advance(&link("<?p=3>"), false), Ok(false));
        assert_eq!(pages.advance(&link("<?p=2>"), true), Err(PageError::Loop));
        assert_eq!(
            pages.advance(&link("<?p=4>"), true),
            Err(PageError::TooMany)
        );
        assert_eq!(pages.advance(&HeaderMap::new(), true), Ok(false));
    }
}
