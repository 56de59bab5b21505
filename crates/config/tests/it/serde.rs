//! Why `windlass.toml` is not deserialized with serde: see `docs/decisions/0016-settings-are-one-table.md`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::invalid_pull_settings::error_of;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Strict {
    #[expect(dead_code, reason = "only errors are compared")]
    downloads: Option<Spanned<u64>>,
}

#[derive(Debug, Deserialize)]
struct Flattened {
    #[expect(dead_code, reason = "only errors are compared")]
    server: Option<Spanned<String>>,
    #[serde(flatten)]
    #[expect(dead_code, reason = "only errors are compared")]
    host: BTreeMap<String, Spanned<String>>,
}

/// I7: a value may be a password.
#[test]
fn settings_with_serde_would_leak_values() {
    let text = "downloads = 'http://me:hunter2@p.test'";
    let error = toml::from_str::<Strict>(text).unwrap_err();
    assert_eq!(
        error.message(),
        "invalid type: string \"http://me:hunter2@p.test\", expected u64"
    );
    assert_eq!(
        error_of(text),
        "1:1: downloads: expected a number, found a string"
    );
}

/// The keys of a host are in the table of its registry.
#[test]
fn flattened_tables_with_serde_would_have_no_spans() {
    let text = "server = 'a.test'\nca = 'ca.pem'";
    let error = toml::from_str::<Flattened>(text).unwrap_err();
    assert_eq!(error.span(), Some(0..0));
    assert_eq!(
        error.message(),
        "invalid type: string \"ca.pem\", expected a spanned value"
    );
}
