//! Parses `WWW-Authenticate`.
//!
//! RFC 9110, section 11.6.1: a list of challenges, each a scheme with comma-separated parameters; the list
//! itself is comma-separated too. It may be split over several headers.

use http::header::{HeaderMap, WWW_AUTHENTICATE};

/// The authentication scheme that a registry requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    Bearer(BearerChallenge),
    Basic,
}

/// A Bearer challenge: the token server, and the service and the access that the token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BearerChallenge {
    pub(crate) realm: String,
    pub(crate) service: Option<String>,
    /// The access that the rejected request needs.
    pub(crate) scope: Option<String>,
    pub(crate) error: Option<String>,
}

impl Challenge {
    /// Returns the challenge to answer: Bearer if there is one with a realm, otherwise Basic (HT-7).
    pub(crate) fn choose(headers: &HeaderMap) -> Option<Self> {
        let mut basic = None;
        for header in headers.get_all(WWW_AUTHENTICATE) {
            let Ok(header) = header.to_str() else {
                continue;
            };
            for (scheme, parameters) in ChallengeIter(header) {
                if scheme.eq_ignore_ascii_case("bearer") {
                    if let Some(bearer) = BearerChallenge::new(parameters) {
                        return Some(Self::Bearer(bearer));
                    }
                } else if scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(Self::Basic);
                }
            }
        }
        basic
    }

    /// Removes the scope, which is that of one repository.
    pub(crate) fn without_scope(mut self) -> Self {
        if let Self::Bearer(bearer) = &mut self {
            bearer.scope = None;
        }
        self
    }
}

impl BearerChallenge {
    fn new(parameters: Vec<(String, String)>) -> Option<Self> {
        let (mut realm, mut service, mut scope, mut error) = (None, None, None, None);
        for (name, value) in parameters {
            match name.as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                "scope" => scope = Some(value),
                "error" => error = Some(value),
                _ => {}
            }
        }
        Some(Self {
            realm: realm.filter(|realm| !realm.is_empty())?,
            service: service.filter(|service| !service.is_empty()),
            scope,
            error,
        })
    }
}

/// Iterates over the challenges of one header value; ends at the first syntax error.
struct ChallengeIter<'a>(&'a str);

impl Iterator for ChallengeIter<'_> {
    type Item = (String, Vec<(String, String)>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip(&[',', ' ', '\t']);
        let scheme = self.token()?;
        let mut parameters = Vec::new();
        loop {
            self.skip(&[',', ' ', '\t']);
            let before = self.0;
            let Some(parameter) = self.parameter() else {
                // Not `name=value`, so it is the scheme of the next challenge.
                self.0 = before;
                return Some((scheme, parameters));
            };
            parameters.push(parameter);
        }
    }
}

impl ChallengeIter<'_> {
    fn skip(&mut self, what: &[char]) {
        self.0 = self.0.trim_start_matches(what);
    }

    fn token(&mut self) -> Option<String> {
        let end = self
            .0
            .find(|c: char| !is_token_char(c))
            .unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then(|| token.to_owned())
    }

    fn parameter(&mut self) -> Option<(String, String)> {
        let name = self.token()?.to_ascii_lowercase();
        self.skip(&[' ', '\t']);
        self.0 = self.0.strip_prefix('=')?;
        self.skip(&[' ', '\t']);
        let value = if let Some(rest) = self.0.strip_prefix('"') {
            self.0 = rest;
            self.quoted()?
        } else {
            // Some registries send unquoted URLs, which are not tokens.
            let end = self.0.find([',', ' ', '\t']).unwrap_or(self.0.len());
            let (value, rest) = self.0.split_at(end);
            self.0 = rest;
            value.to_owned()
        };
        Some((name, value))
    }

    /// Reads up to the closing quote; returns `None` for an unterminated string.
    fn quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        let mut chars = self.0.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => value.push(chars.next()?),
                c => value.push(c),
            }
        }
        self.0 = chars.as_str();
        Some(value)
    }
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    fn choose(headers: &[&str]) -> Option<Challenge> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(WWW_AUTHENTICATE, HeaderValue::from_str(header).unwrap());
        }
        Challenge::choose(&map)
    }

    fn bearer(realm: &str, service: Option<&str>, error: Option<&str>) -> Challenge {
        Challenge::Bearer(BearerChallenge {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: None,
            error: error.map(str::to_owned),
        })
    }

    /// HT-7.
    #[test]
    fn parses_challenges_of_registries() {
        assert_eq!(
            choose(&[
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull",error="invalid_token""#
            ]),
            Some(Challenge::Bearer(BearerChallenge {
                realm: "https://auth.docker.io/token".to_owned(),
                service: Some("registry.docker.io".to_owned()),
                scope: Some("repository:library/alpine:pull".to_owned()),
                error: Some("invalid_token".to_owned()),
            }))
        );
        assert_eq!(
            choose(&[r#"Basic realm="Registry Realm""#]),
            Some(Challenge::Basic)
        );
        assert_eq!(
            choose(&["bearer Realm = https://a.test/token , service=a"]),
            Some(bearer("https://a.test/token", Some("a"), None))
        );
        assert_eq!(
            choose(&[r#"Bearer realm="https://a.test/\"x\",y""#]),
            Some(bearer("https://a.test/\"x\",y", None, None))
        );
    }

    /// HT-7: Bearer is preferred to Basic in any order.
    #[test]
    fn bearer_is_preferred() {
        let expected = Some(bearer("https://a.test/t", None, None));
        assert_eq!(
            choose(&[r#"Basic realm="x", Bearer realm="https://a.test/t""#]),
            expected
        );
        assert_eq!(
            choose(&[r#"Basic realm="x""#, r#"Bearer realm="https://a.test/t""#]),
            expected
        );
        assert_eq!(
            choose(&[r#"Negotiate, Bearer realm="https://a.test/t""#]),
            expected
        );
    }

    /// HT-7: a Bearer challenge without a realm cannot be answered.
    #[test]
    fn a_realm_must_be_present() {
        assert_eq!(choose(&[r#"Bearer service="x""#]), None);
        assert_eq!(choose(&[r#"Bearer realm="""#]), None);
        assert_eq!(
            choose(&[r#"Bearer service="x", Basic realm="y""#]),
            Some(Challenge::Basic)
        );
    }

    #[test]
    fn invalid_headers_have_no_challenge() {
        for header in [
            "",
            ",,,",
            "=",
            "Bearer realm=\"https://a.test",
            "Digest nonce=1",
            "\"",
            "Bearer =",
            "a=b=c",
        ] {
            assert_eq!(choose(&[header]), None, "{header:?}");
        }
        assert_eq!(choose(&[]), None);
    }

    /// Parsing terminates without a panic for any input.
    #[test]
    fn any_input_is_parsed_without_panic() {
        let mut random = windlass_testing::Random::new(11);
        let pieces = [
            "Bearer", "Basic", " ", ",", "=", "\"", "\\", "realm", "é", "x", "\t",
        ];
        for _ in 0..20_000 {
            let length = random.below(12);
            let text: String = (0..length)
                .map(|_| pieces[usize::try_from(random.below(pieces.len() as u64)).unwrap()])
                .collect();
            assert!(ChallengeIter(&text).count() <= text.len());
        }
    }
}
