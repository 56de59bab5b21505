//! The web page: one file without external resources.

use std::fmt::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use windlass::image::Digest;

use super::Recorder;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Returns the page that shows what `recorder` recorded.
///
/// Its Content-Security-Policy allows this style and script only, by their hashes.
pub fn page(recorder: &Recorder) -> String {
    let data = serde_json::to_string(recorder).expect("a record is serialisable");
    let parts = [
        ("@style-hash@", hash(STYLE)),
        ("@script-hash@", hash(SCRIPT)),
        ("@style@", STYLE.to_owned()),
        ("@script@", SCRIPT.to_owned()),
    ];
    let page = parts.iter().fold(PAGE.to_owned(), |page, (mark, text)| {
        page.replace(mark, text)
    });
    // The data is inserted last, so that marks in it are not replaced.
    page.replace("@data@", &embedded(&data))
}

/// Escapes markup and JavaScript's line separators in `json`. Its value does not change.
fn embedded(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(safe, "\\u{:04x}", u32::from(character))
                    .expect("writing to a String cannot fail");
            }
            _ => safe.push(character),
        }
    }
    safe
}

/// Returns the hash of `text` in the format of a Content-Security-Policy.
fn hash(text: &str) -> String {
    let hex = Digest::sha256(text).hex();
    let digits = hex.as_bytes().chunks_exact(2);
    let bytes: Vec<u8> = digits
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | value(*digit)))
        .collect();
    format!("sha256-{}", BASE64_STANDARD.encode(bytes))
}

fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn escaped_data_has_no_markup_and_the_same_value() {
        let value = serde_json::json!({ "</script><!--&": "<b>\u{2028}\u{2029}\\u003c\"" });
        let json = embedded(&value.to_string());
        assert_eq!(
            json,
            r#"{"\u003c/script\u003e\u003c!--\u0026":"\u003cb\u003e\u2028\u2029\\u003c\""}"#
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&json).unwrap(),
            value
        );
    }

    /// Known answer: the hash of the empty text.
    #[test]
    fn hashes_have_the_format_of_policies() {
        assert_eq!(
            hash(""),
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }

    /// No mark remains, and the page loads nothing.
    #[test]
    fn the_page_is_complete_and_loads_nothing() {
        let page = page(&Recorder::new(Timestamp::UNIX_EPOCH, 2));
        for mark in ["@style", "@script", "@data@"] {
            assert!(!page.contains(mark), "{mark}");
        }
        for way in [
            "src=",
            "href=",
            "url(",
            "@import",
            "innerHTML",
            "eval(",
            "fetch(",
        ] {
            assert!(!page.contains(way), "{way}");
        }
        assert!(page.contains("default-src 'none'"));
        assert_eq!(page.matches("</script>").count(), 2);
        let lines = [PAGE, STYLE, SCRIPT].map(|part| part.lines().count());
        assert!(lines.iter().sum::<usize>() < 400, "{lines:?}");
    }
}
