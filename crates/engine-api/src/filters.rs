//! The parameter `filters`: JSON in one of two shapes.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Keys and the values that are asked for, each at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterValues(pub BTreeMap<String, Vec<String>>);

/// What is not a set of filters.
#[derive(Debug, thiserror::Error)]
#[error("invalid filter")]
pub struct FilterParseError {
    source: serde_json::Error,
}

/// The CLI sends sets, `{"label":{"a=b":true}}`; SDKs send lists, `{"label":["a=b"]}`, and single words too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Set(BTreeMap<String, bool>),
    List(Vec<String>),
    One(String),
    Flag(bool),
}

impl FilterValues {
    /// Reads the parameter. Nothing, and an empty text, are no filters.
    pub fn parse(text: Option<&str>) -> Result<Self, FilterParseError> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            return Ok(Self::default());
        };
        let read: Option<BTreeMap<String, Values>> =
            serde_json::from_str(text).map_err(|source| FilterParseError { source })?;
        let values = read.unwrap_or_default().into_iter().map(|(key, values)| {
            let mut values = match values {
                // What is not wanted is not there.
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
    fn both_shapes_say_the_same() {
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
