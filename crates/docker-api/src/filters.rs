//! The query parameter `filters`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The keys of the filters and their values, sorted and without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterValues(pub BTreeMap<String, Vec<String>>);

/// The parameter is not a JSON object of filters.
#[derive(Debug, thiserror::Error)]
#[error("invalid filter")]
pub struct FilterParseError {
    source: serde_json::Error,
}

/// The values of a filter. Docker's CLI sends sets, `{"label":{"a=b":true}}`; SDKs send lists, `{"label":["a=b"]}`, or
/// single values.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Set(BTreeMap<String, bool>),
    List(Vec<String>),
    One(String),
    Flag(bool),
}

impl FilterValues {
    /// Parses the parameter. A missing or empty parameter means no filters.
    pub fn parse(text: Option<&str>) -> Result<Self, FilterParseError> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            return Ok(Self::default());
        };
        let read: Option<BTreeMap<String, Values>> =
            serde_json::from_str(text).map_err(|source| FilterParseError { source })?;
        let values = read.unwrap_or_default().into_iter().map(|(key, values)| {
            let mut values = match values {
                // A value that is `false` is treated as absent.
                Values::Set(set) => set
                    .into_iter()
                    .filter_map(|(v, on)| on.then_some(v))
                    .collect(),
                Values::List(list) => list,
                Values::One(value) => vec![value],
                Values::Flag(flag) => vec![flag.to_string()],
            };
            values.sort();
            values.dedup();
            (key, values)
        });
        Ok(Self(values.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_equivalent() {
        let parse = |text| FilterValues::parse(Some(text)).unwrap();
        let set = parse(r#"{"label":{"a=b":true,"c":true,"d":false},"dangling":{"true":true}}"#);
        let list = parse(r#"{"label":["c","a=b","c"],"dangling":"true"}"#);
        assert_eq!(set, list);
        assert_eq!(set, parse(r#"{"label":["a=b","c"],"dangling":true}"#));
        for none in [None, Some(""), Some("{}"), Some("null")] {
            assert_eq!(FilterValues::parse(none).unwrap(), FilterValues::default());
        }
        for odd in ["{", "[]", "1", r#"{"a":1}"#, r#"{"a":{"b":1}}"#] {
            assert!(FilterValues::parse(Some(odd)).is_err(), "{odd}");
        }
    }
}
