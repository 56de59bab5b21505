//! Errors in the settings of pulls.

use crate::support::Files;

/// Returns the error in a `windlass.toml` with this text.
pub(crate) fn error_of(text: &str) -> String {
    let error = Files::new(&[("system.toml", text)]).load().unwrap_err();
    error.replace("system.toml:", "")
}

/// EP-8: an error makes the file invalid, and has a position, a key and the correct format.
#[test]
fn errors_have_a_position_a_key_and_the_format() {
    for (text, expected) in [
        (
            "[pull]\ndownload = 3",
            "2:1: pull.download: there is no such key; did you mean `downloads`?",
        ),
        (
            "[pull]\nretry_delay = '1s'",
            "2:1: pull.retry_delay: there is no such key; did you mean `retry-delay`?",
        ),
        (
            "[pull]\nmax-age = '7d'",
            "2:1: pull.max-age: there is no such key",
        ),
        (
            "[partials]\nmax-aeg = '7d'",
            "2:1: partials.max-aeg: there is no such key; did you mean `max-age`?",
        ),
        (
            "[partial]",
            "1:2: partial: there is no such key; did you mean `partials`?",
        ),
        (
            "[registry.'a.test']\nrate-limit = 3",
            "2:1: registry.\"a.test\".rate-limit: there is no such key",
        ),
        (
            "[registry.'a.test']\nlimitrate = 3",
            "2:1: registry.\"a.test\".limitrate: there is no such key; did you mean `limit-rate`?",
        ),
        ("pull = 3", "1:1: pull: expected a table, found a number"),
        (
            "[[pull]]\ndownloads = 3",
            "1:3: pull: expected a table, found an array",
        ),
        (
            "partials = '7d'",
            "1:1: partials: expected a table, found a string",
        ),
        (
            "pull.downloads = -1",
            "1:6: pull.downloads: expected a number from 0 to 1000",
        ),
        (
            "pull.downloads = 1001",
            "1:6: pull.downloads: expected a number from 0 to 1000",
        ),
        (
            "pull.downloads = 'off'",
            "1:6: pull.downloads: expected a number, found a string",
        ),
        (
            "pull.unpacks = 2.5",
            "1:6: pull.unpacks: expected a number, found a number with a fraction",
        ),
        (
            "pull.unpacks = nan",
            "1:6: pull.unpacks: expected a number, found a number with a fraction",
        ),
        (
            "pull.connections = 0",
            "1:6: pull.connections: expected a number from 1 to 64",
        ),
        (
            "pull.connections = 99999999999999999999",
            "1:6: pull.connections: expected a number from 1 to 64",
        ),
        (
            "pull.retry = 0",
            "1:6: pull.retry: expected a number from 1 to 1000",
        ),
        (
            "pull.retry = true",
            "1:6: pull.retry: expected a number, found true or false",
        ),
        (
            "pull.retry-delay = 1",
            "1:6: pull.retry-delay: expected a string, found a number",
        ),
        (
            "pull.retry-delay = '0s'",
            "1:6: pull.retry-delay: a length of time cannot be zero here",
        ),
        (
            "pull.timeout = '-30s'",
            "1:6: pull.timeout: a length of time cannot be negative",
        ),
        (
            "pull.timeout = '30'",
            "1:6: pull.timeout: expected a length of time such as \"10s\", \"300ms\", \"1m30s\" or \"7d\"",
        ),
        (
            "partials.max-age = '20000w'",
            "1:10: partials.max-age: the length of time is too long",
        ),
        (
            "partials.max-age = 2026-11-24",
            "1:10: partials.max-age: expected a string, found a date or time",
        ),
        (
            "pull.split-from = '32 MiB'",
            "1:6: pull.split-from: expected a size such as \"64KiB\", \"1.5GB\" or \"1048576\"",
        ),
        (
            "pull.split-from = 1.5",
            "1:6: pull.split-from: expected a size such as \"8MiB\", found a number with a fraction",
        ),
        (
            "pull.split-from = ['1MiB']",
            "1:6: pull.split-from: expected a size such as \"8MiB\", found an array",
        ),
        (
            "pull.split-from = -1",
            "1:6: pull.split-from: expected a number from 0 to 9223372036854775807",
        ),
        (
            "pull.chunk = '8Mb'",
            "1:6: pull.chunk: expected one of the units B, kB, MB, GB, TB, KiB, MiB, GiB or TiB after the number, as in \"16GiB\"",
        ),
        (
            "pull.chunk = 65535",
            "1:6: pull.chunk: expected a size from 64KiB to 1GiB",
        ),
        (
            "pull.chunk = '1.1GiB'",
            "1:6: pull.chunk: expected a size from 64KiB to 1GiB",
        ),
        (
            "partials.max-size = '-1GiB'",
            "1:10: partials.max-size: a size has no sign: write it as in \"16GiB\"",
        ),
        (
            "partials.max-size = '17000000TiB'",
            "1:10: partials.max-size: the size is too large",
        ),
        (
            "partials.max-size = 'off'",
            "1:10: partials.max-size: expected a size such as \"64KiB\", \"1.5GB\" or \"1048576\"",
        ),
        (
            "pull.limit-rate = ''",
            "1:6: pull.limit-rate: expected bytes per second such as \"10MB\", \"1.5MiB\" or \"80Mbit\", or \"off\"",
        ),
        (
            "pull.limit-rate = false",
            "1:6: pull.limit-rate: expected a rate such as \"10MB\", found true or false",
        ),
        (
            "pull.limit-rate = inf",
            "1:6: pull.limit-rate: expected a rate such as \"10MB\", found a number with a fraction",
        ),
        (
            "pull.limit-rate = '0.5B'",
            "1:6: pull.limit-rate: a rate is at least one byte per second, or \"off\"",
        ),
        (
            "[registry.'a.test']\nlimit-rate = '80Mb'",
            "2:1: registry.\"a.test\".limit-rate: expected one of the units B, kB, MB, GB, TB, KiB, MiB, GiB, TiB, kbit, Mbit or Gbit after the number, as in \"10MB\" or \"80Mbit\"",
        ),
        (
            "[registry.'*']\nlimit-rate = '1MB'",
            "2:1: registry.\"*\".limit-rate: this is the limit of one registry: use `pull.limit-rate` to limit all of them",
        ),
        (
            "[[registry.'a.test'.mirror]]\nurl = 'm.test'\nlimit-rate = '1MB'",
            "3:1: registry.\"a.test\".mirror[0].limit-rate: there is no such key",
        ),
    ] {
        assert_eq!(error_of(text), expected, "{text}");
    }
}

/// C13: of two equal keys, one reader would use the first and another the last.
#[test]
fn duplicate_keys_are_errors() {
    for (text, position) in [
        ("[pull]\nretry = 1\nretry = 2", "3:1"),
        ("[pull]\nretry = 1\n[pull]\nchunk = '1MB'", "3:2"),
        ("pull.retry = 1\n[pull]\nchunk = '1MB'", "2:2"),
    ] {
        let error = error_of(text);
        assert!(error.starts_with(&format!("{position}: ")), "{error}");
    }
}

/// I7: a value with the wrong key may be a password.
#[test]
fn no_error_contains_a_value() {
    for key in [
        "pull.limit-rate",
        "pull.chunk",
        "pull.timeout",
        "partials.max-age",
        "registry.'a.test'.limit-rate",
    ] {
        for value in ["hunter2", "1hunter", "http://me:hunter2@p.test", "7hunter2"] {
            let error = error_of(&format!("{key} = '{value}'"));
            assert!(!error.contains("hunter"), "{error}");
        }
    }
}
